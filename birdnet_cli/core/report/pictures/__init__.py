"""Pictures for people: contact sheets and evidence figures."""

/* Preloaded (LD_PRELOAD), lets the n-th change that a process makes below a folder fail, or end it.
 *
 * HDF5 and safetensors write from C and Rust, where nothing in Python sees them. Counted are calls that create, write,
 * cut, sync, close (what was opened for writing), rename or remove. The count is shared with the processes that fork.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_FILES = 4096, OTHER = 0, BELOW = 1, WRITTEN = 2 };

struct seen {
  _Atomic long calls;
  char struck[PATH_MAX + 32];
};

static struct seen* seen;
static char folder[PATH_MAX];
static long strike_at;
static int strike_on;
static int strike_with; /* errno; 0 is SIGKILL */
static unsigned char files[MOST_FILES];

__attribute__((constructor)) static void share(void) {
  seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* From here on in this process and its children; `at` 0 only counts. `lasts`: every later change fails, too. */
void faulty_disk_arm(const char* below, long at, int error, int lasts) {
  strike_at = at;
  strike_on = lasts && at > 0;
  strike_with = error;
  seen->calls = 0;
  seen->struck[0] = 0;
  snprintf(folder, sizeof folder, "%s", below);
}

long faulty_disk_calls(void) { return seen->calls; }

/* "call path" of what was struck, or "". */
const char* faulty_disk_struck(void) { return seen->struck; }

static int is_below(const char* path) {
  char whole[PATH_MAX * 2];
  if (!folder[0]) return 0;
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return 0;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
    path = whole;
  }
  size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && path[length] == '/';
}

/* Counts a call; returns 1, with errno set, if the call is to fail. */
static int strikes(const char* call, const char* path) {
  long call_number = atomic_fetch_add(&seen->calls, 1) + 1;
  if (call_number < strike_at || !strike_at || (call_number > strike_at && !strike_on)) return 0;
  if (!seen->struck[0]) snprintf(seen->struck, sizeof seen->struck, "%s %s", call, path);
  if (!strike_with) {
    kill(0, SIGKILL);
    pause();
  }
  errno = strike_with;
  return 1;
}

static int strikes_file(const char* call, int file, int at_least) {
  if (file < 0 || file >= MOST_FILES || files[file] < at_least) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  return strikes(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int note_opened(int file, const char* path, int flags) {
  if (file >= 0 && file < MOST_FILES)
    files[file] = !is_below(path) ? OTHER : (flags & O_ACCMODE) == O_RDONLY ? BELOW : WRITTEN;
  return file;
}

/* Opening what is there changes nothing, and is not counted. */
static int creates(const char* path, int flags) { return (flags & (O_CREAT | O_TRUNC)) && is_below(path); }

#define OPEN(name)                                            \
  int name(const char* path, int flags, ...) {                \
    va_list more;                                             \
    va_start(more, flags);                                    \
    mode_t mode = va_arg(more, mode_t);                       \
    va_end(more);                                             \
    if (creates(path, flags) && strikes(#name, path)) return -1; \
    return note_opened(NEXT(name)(path, flags, mode), path, flags); \
  }
OPEN(open)
OPEN(open64)

/* Paths relative to an open folder occur only where nothing is written; they are taken from the current folder. */
#define OPENAT(name)                                          \
  int name(int from, const char* path, int flags, ...) {      \
    va_list more;                                             \
    va_start(more, flags);                                    \
    mode_t mode = va_arg(more, mode_t);                       \
    va_end(more);                                             \
    if (creates(path, flags) && strikes(#name, path)) return -1; \
    return note_opened(NEXT(name)(from, path, flags, mode), path, flags); \
  }
OPENAT(openat)
OPENAT(openat64)

#define ON_FILE(result, name, parameters, file, ...) \
  result name parameters {                           \
    if (strikes_file(#name, file, BELOW)) return -1; \
    return NEXT(name)(__VA_ARGS__);                  \
  }
ON_FILE(ssize_t, write, (int file, const void* data, size_t size), file, file, data, size)
ON_FILE(ssize_t, writev, (int file, const struct iovec* data, int count), file, file, data, count)
ON_FILE(ssize_t, pwrite, (int file, const void* data, size_t size, off_t offset), file, file, data, size, offset)
ON_FILE(ssize_t, pwrite64, (int file, const void* data, size_t size, off64_t offset), file, file, data, size, offset)
ON_FILE(int, ftruncate, (int file, off_t size), file, file, size)
ON_FILE(int, ftruncate64, (int file, off64_t size), file, file, size)
ON_FILE(int, fsync, (int file), file, file)
ON_FILE(int, fdatasync, (int file), file, file)

/* A close that fails has closed the file. */
int close(int file) {
  int struck = strikes_file("close", file, WRITTEN), error = errno;
  if (file >= 0 && file < MOST_FILES) files[file] = OTHER;
  int result = NEXT(close)(file);
  if (!struck) return result;
  errno = error;
  return -1;
}

#define ON_PATH(name, parameters, path, ...)                     \
  int name parameters {                                          \
    if (is_below(path) && strikes(#name, path)) return -1;       \
    return NEXT(name)(__VA_ARGS__);                              \
  }
ON_PATH(rename, (const char* old, const char* new), old, old, new)
ON_PATH(renameat, (int from, const char* old, int to, const char* new), old, from, old, to, new)
ON_PATH(unlink, (const char* path), path, path)
ON_PATH(unlinkat, (int from, const char* path, int flags), path, from, path, flags)
ON_PATH(mkdir, (const char* path, mode_t mode), path, path, mode)
ON_PATH(rmdir, (const char* path), path, path)

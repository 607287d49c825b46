from birdnet_cli.core.training.progress import SilentTrainingProgress, TrainingProgress, TrainingStatus


def test_the_silent_progress_takes_every_call_and_prints_nothing(capsys) -> None:
    progress: TrainingProgress = SilentTrainingProgress()
    status = TrainingStatus(
        epoch=1, epochs=2, step=3, steps=4, loss=0.5, lr=0.1, images_per_second=9.0, seconds_left=1.0, memory=1,
        logged=True,
    )  # fmt: skip
    with progress.training(start=2, total=4) as show:
        show(status)
    progress.note("a note")
    with progress.stage("work", total=3, unit="images") as advance:
        advance(3)
    assert capsys.readouterr() == ("", "")

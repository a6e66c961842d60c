"""What a run teaches about releases. A failure condemns only where another release passed in the same run."""

from lastgood.model.event import Failure, Judged, Run, StepFailed
from lastgood.model.plan import Attempt
from lastgood.model.release import Grade, Image
from lastgood.plan.walk import verify_id, winner


def verdicts(run: Run) -> tuple[Judged, ...]:
    """The run's judgements: the winner is verified, what failed beside it is bad, what was left is rolled back.

    Where nothing passed, failures stay inconclusive: an outage must not condemn history. What an aborted run went
    back to is not condemned by it.
    """
    passed = winner(run)
    failed = _failed(run)
    grade = Grade.BAD if passed else Grade.INCONCLUSIVE
    found = [_judged(run, a.image.image, grade, f.because, f.signature) for a, f in failed]
    if passed is None:
        return tuple(found)
    # Where only configuration went back, the image that failed before is the one that passes now.
    found = [judged for judged in found if not judged.image.same(passed.image.image)]
    found.append(_judged(run, passed.image.image, Grade.VERIFIED, "passed the gate", ""))
    running = run.plan.running
    if run.plan.action == "rollback" and running and not running.same(passed.image.image) and not run.aborting:
        left = Grade.BAD if run.signature else Grade.ROLLED_BACK
        because = f"was failing ({run.signature}) when it was left" if run.signature else "was left by the operator"
        found.append(_judged(run, running, left, because, run.signature))
    return tuple(found)


def condemned(run: Run) -> tuple[Image, ...]:
    """The images that the run has shown to be bad."""
    return tuple(judged.image for judged in verdicts(run) if judged.grade is Grade.BAD)


def _failed(run: Run) -> list[tuple[Attempt, StepFailed]]:
    failures = ((a, run.failures.get(verify_id(a))) for a in run.plan.attempts)
    return [(a, f) for a, f in failures if f is not None and f.kind is Failure.RELEASE]


def _judged(run: Run, image: Image, grade: Grade, because: str, signature: str) -> Judged:
    return Judged(run.plan.target, image, grade, because, signature)

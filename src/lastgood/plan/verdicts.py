"""What a run teaches about releases. A failure condemns only where another release passed in the same run."""

from collections.abc import Iterator

from lastgood.model.event import Failure, Judged, Run, StepFailed
from lastgood.model.plan import Attempt, Member, Part
from lastgood.model.release import Grade, Image
from lastgood.model.step import VerifyStep, WatchStep
from lastgood.plan.walk import winner


def verdicts(run: Run) -> tuple[Judged, ...]:
    """The run's judgements: the winner is verified, what failed beside it is bad, what was left is rolled back.

    Where nothing passed, failures stay inconclusive: an outage must not condemn history. What an aborted run went
    back to is not condemned by it. Of an app's services only those whose own proof failed are blamed.
    """
    passed = winner(run)
    grade = Grade.BAD if passed else Grade.INCONCLUSIVE
    found = [_judged(run, part, grade, failed.because, failed.signature) for part, failed in _failed(run)]
    if passed is None:
        return tuple(found)
    # Where only configuration went back, the image that failed before is the one that passes now.
    good = {part.service: part.image.image for part in passed.parts}
    found = [judged for judged in found if not judged.image.same(good[_service(judged)])]
    found += [_passed(run, passed, part) for part in passed.parts]
    if run.plan.action == "rollback" and not run.aborting:
        found += _left(run, passed)
    return tuple(found)


def _passed(run: Run, attempt: Attempt, part: Part) -> Judged:
    """Verified, unless it did not pass any more once its logs had been watched for a while."""
    watches = (step for step in attempt.steps if isinstance(step, WatchStep) and step.service == part.service)
    fallen = next((run.failures[step.id] for step in watches if step.id in run.failures), None)
    if fallen:
        return _judged(run, part, Grade.INCONCLUSIVE, fallen.because, fallen.signature)
    return _judged(run, part, Grade.VERIFIED, "passed the gate", "")


def condemned(run: Run) -> tuple[tuple[str, Image], ...]:
    """The images that the run has shown to be bad, each with its service."""
    return tuple((_service(judged), judged.image) for judged in verdicts(run) if judged.grade is Grade.BAD)


def _left(run: Run, passed: Attempt) -> Iterator[Judged]:
    """What ran before and was left."""
    for member in run.plan.members:
        part = passed.part(member.service)
        if part.moves and member.running and not member.running.same(part.image.image):
            failing = _signature(run, member)
            left = Grade.BAD if failing else Grade.ROLLED_BACK
            because = f"was failing ({failing}) when it was left" if failing else "was left by the operator"
            yield Judged(_target(run, member.service), member.running, left, because, failing)


def _signature(run: Run, member: Member) -> str:
    """How the service was seen to fail before the run; where there are several, the signature names which of them."""
    service, colon, signature = run.signature.partition(": ")
    if len(run.plan.members) == 1:
        return run.signature
    return signature if colon and service == member.service else ""


def _failed(run: Run) -> Iterator[tuple[Part, StepFailed]]:
    for attempt in run.plan.attempts:
        for step in attempt.steps:
            failure = run.failures.get(step.id) if isinstance(step, VerifyStep) else None
            if isinstance(step, VerifyStep) and failure and failure.kind is Failure.RELEASE:
                yield attempt.part(step.service), failure


def _judged(run: Run, part: Part, grade: Grade, because: str, signature: str) -> Judged:
    return Judged(_target(run, part.service), part.image.image, grade, because, signature)


def _target(run: Run, service: str) -> str:
    return f"{service}/{run.plan.target.rpartition('/')[2]}"


def _service(judged: Judged) -> str:
    return judged.target.partition("/")[0]

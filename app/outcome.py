"""What a stored row says, as frames."""

from app.tracker import Frame
from streamer.errors import NotFound
from streamer.jobs.model import WAITING, Failure, Job, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import RequestQueue


async def of(job: Job, requests: RequestQueue, now: float) -> Frame:
    """The outcome of a finished job. Raises StoreUnavailable where its result could not be read now."""
    result = None
    if job.status is Status.COMPLETED and job.result is not None:
        try:
            result = await requests.load(job, job.result)
        except NotFound as gone:
            failure = Failure(gone.code, gone.message)
            return Frame("outcome", job.attempt, job.seq, frames.failed(_place(job), failure, now))
    return Frame("outcome", job.attempt, job.seq, frames.outcome(job, result, now), chunks=job.chunks)


def progress(job: Job, now: float) -> Frame | None:
    """The newest stored progress of a job, if there is any."""
    if job.progress is None:
        return None
    body = frames.progress(_place(job), job.progress, now)
    chunks = job.progress.chunks
    if job.status in WAITING:  # of what that attempt made only this stands
        chunks = min(chunks, job.kept_chunks)
    return Frame("progress", job.attempt, job.seq, body, job.progress.percentage, chunks)


async def newest(job: Job, requests: RequestQueue, now: float) -> Frame | None:
    """The outcome of a finished job, else its newest progress."""
    return await of(job, requests, now) if job.finished else progress(job, now)


def expired(job_id: str, request_id: str, now: float) -> Frame:
    """The outcome of a job that was acknowledged and has no row any more: its time to live is over."""
    failure = Failure(NotFound.code, NotFound.default)
    return Frame("outcome", 0, 0, frames.failed(Place(request_id, job_id, 0, 0), failure, now))


def _place(job: Job) -> Place:
    return Place(job.client_id, job.job_id, job.attempt, job.seq)

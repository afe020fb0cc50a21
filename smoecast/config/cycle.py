"""What a run says of its operational chain: its section `cycle`."""

from pydantic import Field

from smoecast.config.data import Hours
from smoecast.config.section import Section


class Cycle(Section):
    """What `cycle` makes its results of, beside the sections of its stages."""

    analyses: tuple[str, ...] = Field(
        (), description="files, folders or globs in which analyses arrive; none: those of data"
    )
    ensembles: tuple[str, ...] = Field(
        (), description="likewise of ensembles; none: what download brings of them, if anything"
    )
    calibration: str = Field(
        "", description="run folder or name in the zoo of a calibration; none: the run's own"
    )
    catch_up_hours: Hours = Field(
        24, description="starts that are missing are made if they are no older than this"
    )

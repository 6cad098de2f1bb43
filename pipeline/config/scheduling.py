"""When a sweep runs by itself, and who hears of its end."""

import os
import re
import zoneinfo
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from pipeline.config.section import Section, anchored

_CRON = re.compile(r"[0-9A-Za-z*/,-]+( [0-9A-Za-z*/,-]+){4}", re.ASCII)
_VALUE = "([0-9]+|[A-Za-z]{3})"
#: What cron, scrontab and Kubernetes all understand of a field's list; a name is a day's or a
#: month's.
_TERM = re.compile(rf"\*(/[0-9]+)?|{_VALUE}(-{_VALUE}(/[0-9]+)?)?", re.ASCII)
#: Sunday as 7 in the last field: alone, in a list or a range, and not as a step.
_SUNDAY_7 = re.compile(r"(?<![0-9/])7(?![0-9])", re.ASCII)
_KUBERNETES_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", re.ASCII)
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}", re.ASCII)
URL_VARIABLE = "SWEETSPOT_NOTIFY_URL"


def _cron(value: str) -> str:
    text = " ".join(value.split())
    if not _CRON.fullmatch(text):
        raise ValueError(
            "must be five fields (minute, hour, day of the month, month, day of the week) such as "
            f"'0 2 * * *', not {value!r}"
        )
    for term in re.split("[ ,]", text):
        if not _TERM.fullmatch(term):
            raise ValueError(
                f"{term!r} is not understood everywhere; a number, a name, a range 1-5, *, and a "
                "step behind these two (*/15) are"
            )
    try:
        next(CronSim(text, datetime(2000, 1, 1)))
    except CronSimError as error:
        raise ValueError(f"{value!r} is no cron expression: {str(error).lower()}") from error
    except StopIteration:
        raise ValueError(f"{value!r} never comes") from None
    return text


def _kubernetes_name(value: str) -> str:
    if not _KUBERNETES_NAME.fullmatch(value):
        raise ValueError(f"must be lower-case letters, digits, '.' and '-', not {value!r}")
    return value


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"must be a time zone such as Europe/Berlin, not {value!r}") from None
    return value


def _image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise ValueError(f"must be an image such as registry/sweetspot:1, not {value!r}")
    return value


Cron = Annotated[str, AfterValidator(_cron)]
KubernetesName = Annotated[str, AfterValidator(_kubernetes_name)]


class CronSchedule(Section):
    """A line for cron, or an entry for Slurm's own (`slurm`)."""

    kind: Literal["cron", "slurm"]  #: whose table the entry is for
    when: Cron


class KubernetesSchedule(Section):
    """A CronJob whose pods share the sweep's folder on a volume."""

    kind: Literal["kubernetes"]  #: a manifest
    when: Cron
    time_zone: Annotated[str, AfterValidator(_time_zone)] | None = None  #: null: the cluster's own
    image: Annotated[str, AfterValidator(_image)] | None = None  #: built from the Containerfile
    pods: Annotated[int, Field(gt=0, le=1000)]  #: side by side, a worker each
    claim: KubernetesName  #: the PersistentVolumeClaim with `mlruns/` and `data/`
    secret: KubernetesName | None = None  #: a Secret whose entries become variables of the pods
    gpus: Annotated[int, Field(ge=0, le=64)]  #: of each pod
    cpus: Annotated[int, Field(gt=0)]
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*[KMGT]i$")]

    @field_validator("when")
    @classmethod
    def _first_day_is_0(cls, value: str) -> str:
        if _SUNDAY_7.search(value.rsplit(maxsplit=1)[-1]):
            raise ValueError(f"Kubernetes knows Sunday as 0 and not as 7, so not {value!r}")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.image is None:
            raise ValueError(
                "schedule=kubernetes needs schedule.image, built from the Containerfile"
            )
        return self


ScheduleConfig = Annotated[CronSchedule | KubernetesSchedule, Field(discriminator="kind")]


class NotifyConfig(Section):
    """Who hears of a sweep's end."""

    command: tuple[str, ...] | None = None  #: a program and its arguments; gets JSON on its input
    #: A webhook that gets JSON. What is in it may be a secret, so it is never written anywhere.
    url: SecretStr | None = Field(default=None, exclude=True)
    url_file: Path | None = None  #: or a file that holds the URL
    seconds: Annotated[float, Field(gt=0, le=600)] = 30.0  #: the longest either may take

    @field_validator("command")
    @classmethod
    def _program(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (not value or not value[0].strip()):
            raise ValueError("must name a program, such as [mail-summary,--to,me]")
        return value

    @field_validator("url")
    @classmethod
    def _webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            checked_url(value.get_secret_value())
        return value

    @field_validator("url_file")
    @classmethod
    def _url_file(cls, value: Path | None) -> Path | None:
        return None if value is None else anchored(value)

    def webhook(self) -> str | None:
        """Return the URL: the setting's, the file's or the variable's, whichever there is.

        Raises
        ------
        ValueError
            It is not the address of a web server.
        OSError
            The file cannot be read.
        """
        if self.url is not None:
            return self.url.get_secret_value()
        found = os.environ.get(URL_VARIABLE)
        if self.url_file is not None:
            found = self.url_file.read_text(encoding="utf-8")
        return checked_url(found.strip()) if found else None


def checked_url(value: str) -> str:
    """Return the address of a web server, or raise ValueError without repeating it."""
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
        (parts.hostname or "").encode("idna")  # no label is empty or too long
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    complete = parts.scheme in ("http", "https") and parts.hostname and port_is_valid
    if not complete or not (value.isascii() and value.isprintable()) or " " in value:
        raise ValueError(
            "must be a URL that starts with https:// or http://, in ASCII and with a sound host "
            "name (it is not shown here)"
        )
    return value

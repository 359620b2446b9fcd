"""Decoders in processes of their own: what kills, stops or fills one of them is one photo's failure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnext.errors import InputError, NoResources
from resnext.images import processes
from resnext.images.budget import Budget
from resnext.images.decode import DecodeConfig
from resnext.images.frames import each_frame
from resnext.images.loading import Decoding, loader
from resnext.images.processes import IsolatedLoader
from resnext.records import PreprocessingConfig, Source
from support.program import SAMPLES

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="decodes in threads")

FIELDS = ((3, 224, 224), "bicubic", 0.875, "center", (0.5,) * 3, (0.5,) * 3)
DECODING = Decoding(PreprocessingConfig(*FIELDS))
CHINA = Source(str(SAMPLES / "china.jpg"))
# What a decoder with a hole in it would do, by the name of the file.
WICKED = """
import os, signal, time
from resnext.images import film, loading
decode = loading.decode
def wicked(source, *rest, **named):
    if "exit" in source.file:
        os._exit(3)
    elif "kill" in source.file:
        os.kill(os.getpid(), signal.SIGKILL)
    elif "abort" in source.file:
        os.abort()
    elif "hang" in source.file:
        while True:
            pass
    elif "sleep" in source.file:
        open(source.file, "w").close()
        time.sleep(600)
    elif "memory" in source.file:
        bytearray(3 << 30)
    elif "nonsense" in source.file:
        import gc, io
        for each in gc.get_objects():
            if type(each).__name__ == "_Worker":
                each.reply([source.file] * 10)
    return decode(source, *rest, **named)
loading.decode = wicked
picture = film.Film.picture
def wicked_picture(self, number, reserve):
    if "second" in self._of.file and number == 1:
        os._exit(3)
    return picture(self, number, reserve)
film.Film.picture = wicked_picture
from resnext.images.worker import serve
serve(setup)
"""


@pytest.fixture
def isolated() -> Iterator[Callable[..., IsolatedLoader]]:
    made: list[IsolatedLoader] = []

    def make(seconds: float = 60, workers: int = 1, wicked: bool = True) -> IsolatedLoader:
        program = processes.PROGRAM.partition("from resnext")[0] + WICKED if wicked else processes.PROGRAM
        made.append(IsolatedLoader(DECODING, workers=workers, seconds=seconds, program=program))
        return made[-1]

    yield make
    for each in made:
        each.close()


def failure(load: IsolatedLoader, name: str) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        load(Source(name))
    return str(caught.value.code), str(caught.value)


def test_crops_and_failures_are_those_of_threads(isolated: Callable[..., IsolatedLoader]) -> None:
    load, in_threads = isolated(wicked=False), loader(DECODING)
    for path in sorted(SAMPLES.iterdir()):
        for source in (Source(str(path)), Source("elsewhere", read=path.read_bytes)):
            try:
                expected = in_threads(source)
            except InputError as error:
                assert failure(load, str(path)) == (str(error.code), str(error))
            else:
                assert np.array_equal(load(source), expected)
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\n.jpg")
    assert failure(load, name)[0] == "not_found"


def test_frames_are_decoded_there_too(isolated: Callable[..., IsolatedLoader], tmp_path: Path) -> None:
    load, in_threads, path = isolated(), loader(DECODING), tmp_path / "a.tif"
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "lime", "blue")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    for source in (Source(str(path)), Source("elsewhere", read=path.read_bytes)):
        for page, frame in zip(pages, each_frame([source], None, DecodeConfig(0)), strict=True):
            assert isinstance(frame, Source)
            assert np.array_equal(load(frame), in_threads(frame))
            assert tuple(load(frame)[112, 112]) == page.getpixel((0, 0))


def test_the_frames_of_a_file_are_decoded_by_one_process(
    isolated: Callable[..., IsolatedLoader], tmp_path: Path
) -> None:
    load, path = isolated(workers=2), tmp_path / "a.gif"
    pages = [Image.new("L", (40, 30), level) for level in range(0, 200, 10)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert load.frame_count(Source(str(path))) == 20
    with ThreadPoolExecutor(2) as pool:
        crops = list(pool.map(load, each_frame([Source(str(path))], None, DecodeConfig(0), load.frame_count)))
    assert [crop[112, 112, 0] for crop in crops] == list(range(0, 200, 10))
    assert len(load._all) == 1


def test_a_frame_that_ends_its_decoder_ends_one(isolated: Callable[..., IsolatedLoader], tmp_path: Path) -> None:
    """The frames behind it would end it again, each after a minute perhaps."""
    load, path = isolated(), tmp_path / "second.tif"
    pages = [Image.new("RGB", (40, 30), color) for color in ("red", "lime", "blue", "white")]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    first, *rest = each_frame([Source(str(path))], None, DecodeConfig(0), load.frame_count)
    assert isinstance(first, Source)
    assert load(first).shape == (224, 224, 3)
    for frame in rest:
        assert isinstance(frame, Source)
        with pytest.raises(InputError, match="its decoder ended with status 3"):
            load(frame)
    assert load._all == set(), "a process was started for a frame behind"
    assert load(CHINA).shape == (224, 224, 3)


def test_a_bomb_that_is_counted_ends_a_decoder_too(isolated: Callable[..., IsolatedLoader], tmp_path: Path) -> None:
    load = isolated()
    with pytest.raises(InputError) as caught:
        load.frame_count(Source(str(tmp_path / "gone.gif")))
    assert caught.value.code == "not_found"
    (process,) = load._idle
    process.kill()
    assert load.frame_count(CHINA) == 1
    os.kill(load._idle[0]._process.pid, signal.SIGSTOP)
    load._idle[0]._seconds = -9.9
    with pytest.raises(InputError) as caught:
        load.frame_count(CHINA)
    assert caught.value.code == "timeout"


def test_a_photo_that_gets_no_memory_takes_nobody_elses_place(
    isolated: Callable[..., IsolatedLoader], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "decoding_budget", lambda: Budget(40 << 20, 12 << 20))
    load, large = isolated(wicked=False), str(tmp_path / "large.png")
    Image.new("RGB", (2000, 2000), "red").save(large)
    for _ in range(2):
        assert failure(load, large)[0] == "too_large"
        assert np.array_equal(load(CHINA), loader(DECODING)(CHINA))


def test_what_ends_a_decoder_is_one_failure(isolated: Callable[..., IsolatedLoader]) -> None:
    load = isolated()
    assert failure(load, "exit") == ("decoder_crashed", "its decoder ended with status 3")
    assert failure(load, "kill") == ("decoder_crashed", "its decoder ended of SIGKILL")
    assert failure(load, "abort") == ("decoder_crashed", "its decoder ended of SIGABRT")
    assert failure(load, "nonsense")[0] == "decoder_crashed"
    assert load(CHINA).shape == (224, 224, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system holds a process to its limit")
def test_a_memory_bomb_is_too_large(isolated: Callable[..., IsolatedLoader]) -> None:
    load = isolated()
    assert failure(load, "memory") == ("too_large", "not enough memory to resize it")
    assert load(CHINA).shape == (224, 224, 3)


def test_what_hangs_has_a_clock(isolated: Callable[..., IsolatedLoader]) -> None:
    load = isolated(seconds=0.5)
    assert failure(load, "hang") == ("timeout", "not decoded within 0.5 s")


def test_a_decoder_that_died_while_idle_costs_nothing(isolated: Callable[..., IsolatedLoader]) -> None:
    load = isolated()
    load(CHINA)
    (process,) = load._idle
    process._process.kill()
    process._process.wait()
    assert load(CHINA).shape == (224, 224, 3)


def test_many_threads_each_get_their_own_photo(isolated: Callable[..., IsolatedLoader]) -> None:
    load, in_threads = isolated(workers=3), loader(DECODING)
    files = [str(SAMPLES / name) for name in ("china.jpg", "coffee.png", "flower.jpg", "rocket.jpg")] * 5
    expected = {file: in_threads(Source(file)) for file in set(files)}
    with ThreadPoolExecutor(3) as pool:
        for file, crop in zip(files, pool.map(lambda file: load(Source(file)), files), strict=True):
            assert np.array_equal(crop, expected[file])
    assert 1 <= len(load._idle) <= 3


def test_close_ends_a_decoder_in_the_middle_of_a_photo(isolated: Callable[..., IsolatedLoader], tmp_path: Path) -> None:
    load, begun = isolated(), tmp_path / "sleep"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(load, Source(str(begun)))
        while not begun.exists():
            assert not waiting.done()
            time.sleep(0.01)
        (process,) = load._all
        load.close()
        assert isinstance(waiting.exception(), InputError)
    assert not process.is_alive()


def test_decoders_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """Their pipe ends, and that is their end too."""
    program = f"""
import sys, time
from resnext.images.decode import DecodeConfig
from resnext.images.frames import each_frame
from resnext.images.loading import Decoding
from resnext.images.processes import IsolatedLoader
from resnext.records import PreprocessingConfig, Source
load = IsolatedLoader(Decoding(PreprocessingConfig(*{FIELDS!r})), workers=1)
load(Source({CHINA.file!r}))
(process,) = load._idle
print(process._process.pid, flush=True)
time.sleep(600)
"""
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", program], **options) as parent:
        assert parent.stdout is not None
        decoder = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while _is_alive(decoder):
        assert time.monotonic() < end, "an orphan"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] if sys.platform == "linux" else ""
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_no_process_at_all_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    load = IsolatedLoader(DECODING, workers=1)
    with pytest.raises(NoResources, match="can't start a process to decode in"):
        load(CHINA)

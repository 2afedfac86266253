"""The way in, on every system: python lab.py report, python lab.py test, python lab.py check, ...

Needs nothing but Python 3.11. The first call makes an environment in .venv, a later one does only what changed
in the requirements; then the kit's own command runs in it: see python lab.py --help. An environment that is
active, such as conda's, is used as it is. With --cpu the environment gets PyTorch without CUDA, a gigabyte
instead of six. Mirrors are pip's own affair: PIP_INDEX_URL or pip.conf.
"""

# Old Pythons must be able to read this file, to be told that they are too old: no f-strings, no annotations.
import contextlib
import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig

ROOT = os.path.dirname(os.path.abspath(__file__))
HOME = os.path.join(ROOT, ".venv")
MARKER = os.path.join(HOME, "lab.json")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA = (
    "import importlib.util as u, sys; sys.exit(3 if u.find_spec('torch') and __import__('torch').version.cuda else 0)"
)
TESTS = ("test", "bench", "lessons")  # the commands that need requirements-test.txt
WAITING = "Waiting for another call that is setting up this kit."
OLDEST = (3, 11)  # Snakemake's
NEWEST = (3, 13)  # for which every package comes ready-made on every system: immutables, of Snakemake's, does not later


def main(words):
    """Make the environment if need be, and run the kit's command in it."""
    if sys.version_info < OLDEST:
        sys.exit("Python 3.11, 3.12 or 3.13 is needed; this is %s (%s)." % (sys.version.split()[0], sys.executable))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # of a path, a terminal of another character set shows ? for what it lacks
    cpu = "--cpu" in words
    words = [word for word in words if word != "--cpu"] or ["--help"]
    test = words[0] in TESTS
    python = active(test)
    if python and cpu:
        print("--cpu changes nothing here: the environment %s is active and is used as it is." % sys.prefix)
    if not python:
        python = in_home()
        try:
            with alone():
                set_up(cpu, test)
        except KeyboardInterrupt:
            sys.exit("\nThe set-up was interrupted. Give the same command again: it goes on from here.")
    # it finds the kit in the folder it starts in; LAB_FROM says which folder the caller's paths start from
    return call([python, "-m", "lib.cli"] + words, cwd=ROOT, env=dict(os.environ, LAB_FROM=os.getcwd()))


def call(command, **settings):
    """Run a command of the kit. Ctrl-C reaches it as well, and it is for it to say what becomes of that."""
    process = subprocess.Popen(command, **settings)
    while True:
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()


def in_home():
    """The Python of .venv."""
    return os.path.join(HOME, "Scripts", "python.exe") if os.name == "nt" else os.path.join(HOME, "bin", "python")


def active(test):
    """The Python of an environment that is active and has what the kit needs; None if .venv is to be used.

    test: the command needs requirements-test.txt too.
    """
    named = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    # conda's prompt opens in base: that is no choice of anybody's, but which Python was called may be one
    base = not os.environ.get("VIRTUAL_ENV") and os.environ.get("CONDA_DEFAULT_ENV") == "base"
    if named and not base and not same(named, sys.prefix) and sys.prefix == sys.base_prefix:
        inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        places = [os.path.join(named, *inside), os.path.join(named, "python.exe")]  # the second is conda's on Windows
        found = [place for place in places if os.path.exists(place)]
        if found and not same(named, HOME):  # this very file, by the Python of that environment
            sys.exit(call([found[0], os.path.abspath(__file__)] + sys.argv[1:]))
    if same(sys.prefix, HOME) or not (sys.prefix != sys.base_prefix or (named and same(named, sys.prefix))):
        return None
    lacking = [line for line in required() + (required(test=True) if test else []) if not installed(line)]
    if not lacking:
        return sys.executable
    if base:
        return None
    sys.exit(
        "The environment %s is active and lacks %s.\nEither put in what the kit needs:\n"
        "    python -m pip install -r requirements.txt -r requirements-test.txt\n"
        "or leave it (deactivate, conda deactivate) and give the same command again: then an environment of its "
        "own is made in .venv." % (sys.prefix, ", ".join(line.split()[0] for line in lacking))
    )


def same(one, other):
    """Whether two paths are one folder."""
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def required(test=False):
    """The lines of requirements.txt, or of requirements-test.txt, without their reasons."""
    with open(os.path.join(ROOT, "requirements-test.txt" if test else "requirements.txt"), encoding="utf-8") as file:
        return [line.split("#")[0].strip() for line in file if line.split("#")[0].strip()]


def installed(line):
    """Whether a package is there in a version that a line of the requirements admits."""
    from importlib import metadata

    name, bounds = re.match(r"([\w.-]+)([^;]*)", line).groups()
    if 'sys_platform != "%s"' % sys.platform in line:
        return True  # this system does not need it
    try:
        version = numbers(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False
    limits = [(sign, numbers(value)) for sign, value in re.findall(r"(>=|<)([\d.]+)", bounds)]
    return all(version >= limit if sign == ">=" else version < limit for sign, limit in limits)


def numbers(version):
    """2.14.1+cpu as (2, 14, 1)."""
    return tuple(int(part) for part in re.match(r"[\d.]+", version).group().strip(".").split("."))


def set_up(cpu, test):
    """Make .venv, or bring it up to date; what was interrupted goes on from there."""
    made = read(MARKER)
    cpu = cpu or made.get("cpu", False)
    place = {"root": ROOT, "cpu": cpu}
    wanted = dict(place, requirements=digest("requirements.txt", "pyproject.toml"))
    test = test or "test" in made  # once there, the test requirements are kept up with the others
    if test:
        wanted["test"] = digest("requirements-test.txt")
    works = starts()
    if made == wanted and works:
        return
    if not same(sys.prefix, HOME):  # a Python cannot remove the ground it stands on
        moved = any(key in made and made[key] != place[key] for key in place)
        if os.path.exists(os.path.join(HOME, "begun-by-lab")) and (moved or not works):
            shutil.rmtree(HOME)
            works = False
        if not works:
            create()
            made = {}
    mark(place)  # from here on .venv is half-made, until all is marked
    print("Setting up %s%s" % (HOME, " (PyTorch without CUDA)" if cpu else ""))
    print("This takes as long as the download of PyTorch and what it needs: a few minutes, once.")
    sys.stdout.flush()
    try:
        if cpu:
            torch = [line.replace(" ", "") for line in required() if line.startswith("torch")]
            pip(["--index-url", CPU_INDEX] + torch)  # the line PyTorch itself gives; the rest is of pip's own index
        pip(["-r", "requirements.txt"] + (["-r", "requirements-test.txt"] if test else []))
        pip(["--no-deps", "-e", "."])
    except SystemExit:
        mark(made or place)  # pip changes nothing before it has everything: what worked works as before
        raise
    if cpu and subprocess.call([in_home(), "-c", CUDA]) == 3:
        print("PyTorch came with CUDA all the same: pip found no build without it that fits the requirements.")
    mark(wanted)


def mark(content):
    """Say what .venv was made for, and from which requirements."""
    with open(MARKER + ".part", "w") as file:
        json.dump(content, file)
    os.replace(MARKER + ".part", MARKER)


def starts():
    """Whether the Python of .venv starts and has the version it was made with; the system's may have been upgraded."""
    command = [in_home(), "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        with open(os.path.join(HOME, "pyvenv.cfg"), encoding="utf-8") as file:
            made_with = re.search(r"^version(?:_info)? *= *(\d+\.\d+)", file.read(), re.M)
        found = subprocess.check_output(command, stderr=subprocess.DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return False
    return bool(made_with) and found == made_with.group(1)


def unfit():
    """Why the packages the kit needs cannot be had for this Python, and which one to take; nothing if they can."""
    if sys.maxsize < 2**32:
        return "it is a 32-bit one, and PyTorch needs 64 bits. Take the 64-bit Python of python.org"
    if sysconfig.get_platform() == "win-arm64":
        return "PyTorch is not built for Windows on ARM. Take python.org's Python for 64-bit x86-64, which runs too"
    if sys.platform == "darwin" and platform.machine() == "x86_64":
        return (
            "PyTorch is no longer built for Macs with an Intel processor. On a Mac with an M1 or later take the Python "
            "of python.org, without Rosetta; on an Intel Mac use Google Colab (README.md says how)"
        )
    if sys.version_info[:2] > NEWEST and not sys.platform.startswith("linux"):  # there a compiler is at hand
        return "a package the kit needs is not built for it yet. Take Python 3.13, beside this one (Windows: py -3.13)"
    return ""


def create():
    """An environment with pip."""
    why = unfit()
    if why:
        sys.exit(
            "The kit cannot be set up with this Python, %s (%s): %s, and give the same command again."
            % (sys.version.split()[0], sys.executable, why)
        )
    if not os.path.isdir(HOME):
        os.mkdir(HOME)
    with open(os.path.join(HOME, "begun-by-lab"), "w"):
        pass  # this .venv is the kit's own to remove
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        shutil.rmtree(HOME)
        sys.exit(
            "This Python (%s) cannot make environments, for a part of it is missing. On Debian and Ubuntu:\n"
            "    sudo apt install python%d.%d-venv\nthen give the same command again."
            % (sys.executable, sys.version_info[0], sys.version_info[1])
        )
    if subprocess.call([sys.executable, "-m", "venv", HOME]):
        sys.exit("The environment %s could not be made; the lines above say why." % HOME)


def pip(words):
    """Install into .venv, and say what to do if that fails."""
    command = [in_home(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"] + words
    if subprocess.call(command, cwd=ROOT):
        if CPU_INDEX in words:
            sys.exit(
                "PyTorch without CUDA could not be fetched from %s; the lines above say why. Give the same command "
                "again, or leave out --cpu: then PyTorch comes from pip's usual index, with CUDA." % CPU_INDEX
            )
        sys.exit(
            "pip could not install what the kit needs; its lines above say why. Without network there is nothing "
            "to be done; behind a slow one name a mirror in PIP_INDEX_URL, for example\n"
            "    https://pypi.tuna.tsinghua.edu.cn/simple\nand give the same command again: it goes on from here.\n"
            "If you ask somebody, send these lines along: Python %s, %s, %.1f GB free, a path of %d characters."
            % (sys.version.split()[0], platform.platform(), shutil.disk_usage(ROOT).free / 1e9, len(HOME))
        )


@contextlib.contextmanager
def alone():
    """One set-up at a time: a second call waits. The system ends the lock with the process that holds it."""
    with open(os.path.join(ROOT, ".venv.lock"), "w") as file:
        try:
            import fcntl
        except ImportError:
            import msvcrt

            while True:
                try:
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
                except OSError as error:  # it gives up after ten seconds
                    if error.errno not in (errno.EACCES, errno.EDEADLK):
                        raise
                    print(WAITING)
            yield
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                print(WAITING)
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def digest(*names):
    """A hash of some of the kit's files."""
    content = b""
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as file:
            content += file.read()
    return hashlib.sha256(content).hexdigest()


def read(path):
    """What a JSON file holds; nothing where there is none."""
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

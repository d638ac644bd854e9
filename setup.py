"""Build each .pyx below src_cy/. CONTRIBUTING.md explains the two switches."""

import os
import sys
import sysconfig
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

SRC, CPUS = Path("src_cy"), os.cpu_count() or 1
ABI = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
MODE = os.environ.get("ROUTILUX_BUILD", "release")
ANNOTATE = os.environ.get("ROUTILUX_ANNOTATE") == "1" or None
DEBUG = ["-O1", "-g", "-fno-omit-frame-pointer", "-UNDEBUG", "-DROUTILUX_CHECK_LOCKS=1"]
FLAGS = {
    "release": ["-O3", "-g0"],
    "trace": ["-O0", "--coverage", "-fprofile-update=atomic"],
    "debug": DEBUG,
    "asan": [*DEBUG, "-fsanitize=address"],
    "ubsan": [*DEBUG, "-fsanitize=undefined", "-fno-wrapv", "-fno-sanitize-recover"],
    "probe": [*DEBUG, "-DROUTILUX_MUTANTS=1", "-DROUTILUX_POINTS=1"],
    "tsan": [*DEBUG, "-fsanitize=thread", "-UROUTILUX_CHECK_LOCKS"],
}[MODE]
DIRECTIVES = {"language_level": 3, "cdivision": True, "freethreading_compatible": True}
DIRECTIVES |= {"embedsignature": True, "embedsignature.format": "python"}
for check in ("boundscheck", "wraparound", "initializedcheck"):
    DIRECTIVES[check] = MODE not in ("release", "trace")

if __name__ == "__main__":  # a process that cythonize starts may import this file
    modules = []
    for path in sorted(SRC.rglob("*.pyx")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts)
        modules.append(Extension(name, [path.as_posix()]))
        modules[-1].include_dirs = [str(path.parent), numpy.get_include()]
        modules[-1].define_macros = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
        modules[-1].depends = ["setup.py", *map(str, SRC.rglob("*.h"))]
        if os.name != "nt":  # MSVC takes none of these flags
            modules[-1].extra_compile_args = FLAGS
            modules[-1].extra_link_args = [f for f in FLAGS if f[:3] in ("-fs", "--c")]
    how = {"include_path": [str(SRC)], "compiler_directives": DIRECTIVES}
    how |= {"nthreads": CPUS, "annotate": ANNOTATE, "force": ANNOTATE}
    how["build_dir"] = f"build/cython-{MODE}-{ABI}"
    steps = {"build": {"build_base": f"build/{MODE}"}, "build_ext": {"parallel": CPUS}}
    setup(ext_modules=cythonize(modules, **how), options=steps)

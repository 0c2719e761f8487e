#!/usr/bin/env bash
# GPU tests, and benchmarks of the renderer, a talk and a fit, in one command of under 8 minutes.
#
#   scripts/gpu_check.sh [FOLDER]                       report.md and log.txt go to FOLDER, else $OUT, else gpu-check
#   PYTHON=/opt/torch/bin/python3 PYTHONPATH=/tmp/site BUDGET=420 scripts/gpu_check.sh
#
# PYTHON is a Python 3.11 or 3.12 with a CUDA build of torch; other requirements may lie on PYTHONPATH. Every step has
# its own time limit, and all together end after BUDGET seconds: one that fails, or lacks a package, loses no other.
# The status is 0 where every step ran and succeeded, else the number of those that did not.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
folder=${1:-${OUT:-gpu-check}}
budget=${BUDGET:-460}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export EMOTALK_CACHE=${EMOTALK_CACHE:-$work/cache} HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
# gsplat's kernels are compiled at first use: for this GPU only, on all cores.
export MAX_JOBS=${MAX_JOBS:-$(nproc)} TORCH_EXTENSIONS_DIR=${TORCH_EXTENSIONS_DIR:-$EMOTALK_CACHE/torch}
report=$folder/report.md log=$folder/log.txt
: >"$log"
echo "# GPU check" | tee "$report"
failed=0

# missing MODULE...: one line for each that cannot be imported, with the reason
missing() {
  "$PYTHON" - "$@" <<'EOF'
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
EOF
}

# step NAME SECONDS "MODULE..." COMMAND...: what it prints is a section of the report, its errors go to the log
step() {
  local name=$1 limit=$2 needs=$3 left started=$SECONDS status lacks
  shift 3
  left=$((budget - SECONDS))
  [ "$limit" -le "$left" ] || limit=$left
  : >"$work/output"
  echo "=== $name: $*" | head -c 400 >>"$log"
  if [ "$limit" -lt 10 ]; then
    status="skipped: no time left of $budget s"
  elif lacks=$(missing $needs) && [ -n "$lacks" ]; then
    status="skipped: it needs what cannot be imported"
    echo "$lacks" >"$work/output"
  else
    timeout -k 5 "$limit" "$@" >"$work/output" 2>>"$log"
    case $? in
      0) status=ok ;;
      124 | 137) status="stopped after $limit s" ;;
      *) status=failed ;;
    esac
  fi
  printf '\n## %s: %s (%d s)\n\n' "$name" "$status" $((SECONDS - started)) | cat - "$work/output" | tee -a "$report"
  if [ "$status" != ok ]; then
    failed=$((failed + 1))
    case $status in skipped*) ;; *) tail -n 15 "$log" ;; esac
  fi
}

step versions 60 "torch" "$PYTHON" - <<'EOF'
import importlib.metadata, os, platform, shutil, subprocess, sys
import torch

def package(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not there"

def said(*command):
    if shutil.which(command[0]) is None:
        return f"no {command[0]} on the PATH"
    return " ".join(subprocess.run(command, capture_output=True, text=True).stdout.split())

rows = {"machine": f"{platform.platform()}, {os.cpu_count()} cores", "python": sys.version.split()[0]}
rows["GPU, driver, memory"] = said("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
rows["nvcc"] = said("nvcc", "--version").rpartition("release ")[2] or "no nvcc on the PATH"
rows["torch"] = f"{torch.__version__}, CUDA {torch.version.cuda}, finds a GPU: {torch.cuda.is_available()}"
for name in ("gsplat", "numpy", "numba", "llvmlite", "scipy", "safetensors", "imageio-ffmpeg", "espeakng-loader"):
    rows[name] = package(name)
rows["ffmpeg"] = shutil.which("ffmpeg") or "not on the PATH"
print("| what | found |\n|---|---|")
print("\n".join(f"| {name} | {found} |" for name, found in rows.items()))
EOF
# What all others on the GPU wait for: gsplat compiles itself, one Gaussian is drawn.
step gsplat 280 "torch numba" "$PYTHON" - <<'EOF'
import sys, time

started = time.perf_counter()
from emotalk.rendering.device import cuda_problem, resolve_device

problem = cuda_problem()
print(problem or f"draws on {resolve_device('auto')}", f"({time.perf_counter() - started:.0f} s until that was known)")
sys.exit(problem is not None)
EOF
step "GPU tests" 100 "pytest torch numba hypothesis" \
  "$PYTHON" -m pytest -o addopts= -q -p no:jaxtyping -p no:cacheprovider -m gpu $(grep -lr "mark\.gpu" tests --include="test_*.py" | sort)
talk="torch numba soundfile imageio_ffmpeg psutil num2words platformdirs"
step "talk on the GPU" 60 "$talk gsplat" "$PYTHON" -m benchmarks.talk --device cuda --lengths 10 --runs 2
step "talk on the CPU" 60 "$talk" "$PYTHON" -m benchmarks.talk --device cpu --lengths 10 --runs 2
step renderer 70 "torch numba gsplat" \
  "$PYTHON" -m benchmarks.rasterizer --device cuda --seconds 0.3 --output "$work/table"
step fit 150 "torch numba gsplat scipy PIL" "$PYTHON" -m benchmarks.fit_devices --steps 300 --seconds 70
echo "$failed step(s) did not succeed; $SECONDS s in all; report and log are in $folder"
exit "$failed"

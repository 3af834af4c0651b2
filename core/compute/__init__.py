"""The only package that imports mlx. Import it on the thread that will compute, and on no other."""

import os

from core.compute.blas import preload

# Both must happen before mlx is loaded: a tuned BLAS in front of the reference one in MLX's Linux wheel, and full float32
# products on CUDA, where MLX would multiply in TF32 and the error bounds of core.compute.knn would not hold.
BLAS = preload()
os.environ.setdefault("MLX_ENABLE_TF32", "0")

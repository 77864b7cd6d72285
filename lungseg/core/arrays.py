"""Names the arrays that the whole project passes around."""

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]  # [H, W], or [K, H, W] of several
Mask = NDArray[np.bool_]  # [H, W], or [K, H, W] with one plane a region
Probabilities = NDArray[np.float32]  # [K, H, W], one plane a region

"""Constants of Whisper's time axes, in seconds unless the name says otherwise.

The short-time Fourier transform is centred, so log-mel frame ``m`` is centred at ``m * MEL_FRAME_S``. The second
convolution has stride 2 and padding 1, so encoder frame ``j`` is centred at ``j * FRAME_S``: column ``j`` of a map
covers ``[START_S + j * FRAME_S, START_S + (j + 1) * FRAME_S)`` where ``START_S`` is half a frame before zero.
"""

SAMPLE_RATE = 16_000
HOP_LENGTH = 160
WINDOW_S = 30.0

MEL_FRAME_S = HOP_LENGTH / SAMPLE_RATE
FRAME_S = 2 * MEL_FRAME_S
START_S = -FRAME_S / 2
N_SAMPLES = int(WINDOW_S * SAMPLE_RATE)

MS_PER_S = 1000.0

import numpy as np

from pipeline.core.feature_maps import LayerMaps


def test_a_filter_that_peaks_is_stronger_than_one_that_is_a_little_bright_everywhere():
    maps = np.zeros((2, 4, 5, 3), dtype=np.float32)
    maps[..., 0] = 0.5
    maps[0, 3, 1, 2] = 4.0
    maps[1, 0, 4, 2] = 2.0
    layer = LayerMaps(kind="convolution", name="convolution_1", maps=maps)
    assert layer.shape_text == "4×5×3"
    assert layer.strongest(2).tolist() == [2, 0]
    assert layer.strongest(9).tolist() == [2, 0, 1]
    assert layer.peaks.tolist() == [[0.5, 0.0, 4.0], [0.5, 0.0, 2.0]]
    assert [layer.peak_place(image, 2) for image in range(2)] == [(3, 1), (0, 4)]

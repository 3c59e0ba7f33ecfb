"""Lecture 01: top patches of a stream of pictures, 1×, 4× and 16× as many: ms per picture, and the peak of memory."""


def rows():
    import gc
    import weakref

    import pandas as pd
    import torch

    from xaikit import features, zoo

    from . import clock

    net, batch, alive = zoo.load("digits-cnn"), 64, []

    def stream(batches, peak):
        """Batches made as they are asked for; ``peak`` is the most bytes of them alive at once."""
        generator = torch.Generator().manual_seed(0)
        for _ in range(batches):
            pictures = torch.rand(batch, 1, 28, 28, generator=generator)
            alive.append((weakref.ref(pictures.untyped_storage()), pictures.untyped_storage().nbytes()))
            alive[:] = [(ref, size) for ref, size in alive if ref() is not None]
            peak[0] = max(peak[0], sum(size for _, size in alive))
            yield pictures
            del pictures

    found = []
    for times in (1, 4, 16):
        peak, count = [0], 4 * times * batch

        def once(times=times, peak=peak):
            return features.top_patches(net, "features.6", None, stream(4 * times, peak), k=9)

        top = once()
        gc.collect()
        kept = sum(t.untyped_storage().nbytes() for t in (top.patches, top.activations, top.indices, top.positions,
                                                         top.boxes))
        # the stream's own cost is in the time: it is the same for each picture
        ms = 1000 * clock.in_turn({"top": once}, rounds=2)["top"] / count
        found.append({"what": f"{count} pictures", "ms per picture": ms, "peak MB": (peak[0] + kept) / 1e6})
    first = found[0]
    for row in found:
        row["goal"] = "≤ 1.3 × ms, 1.01 × MB of the first"
        row["met"] = (row["ms per picture"] <= 1.3 * first["ms per picture"]
                      and row["peak MB"] <= 1.01 * first["peak MB"])
    return pd.DataFrame(found)

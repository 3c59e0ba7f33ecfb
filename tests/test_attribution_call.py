"""Before any heatmap: what cannot be explained is said clearly, and network and input stay as they were."""

import copy
import inspect

import numpy as np
import pytest
import torch
from torch import nn

from xaikit import attribution
from xaikit.attribution import METHODS, UnsupportedLayer, call
from xaikit.attribution.call import explaining
from xaikit.attribution.checks import check_baseline, check_steps

NAMES = list(METHODS)
each_method = pytest.mark.parametrize("name", NAMES)


def network(dtype=torch.float32, channels=1):
    """Convolutions, batch norm with used statistics, ReLUs in place, global average pooling, one linear
    layer."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )
    net(torch.rand(16, channels, 12, 12))
    return net.to(dtype).eval()


def images(n=3, dtype=torch.float32, channels=1):
    return torch.rand(n, channels, 12, 12, generator=torch.Generator().manual_seed(1)).to(dtype)


def state(net):
    """All that a call could leave behind."""
    hooks = [
        (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in net.modules()
    ]
    return {
        "modes": [m.training for m in net.modules()],
        "hooks": hooks,
        "memory": [(p.data_ptr(), p.stride()) for p in (*net.parameters(), *net.buffers())],
        "weights": {k: v.clone() for k, v in net.state_dict().items()},
        "asks": [p.requires_grad for p in net.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in net.parameters()],
        "in place": [m.inplace for m in net.modules() if hasattr(m, "inplace")],
        "attributes": [sorted(vars(m)) for m in net.modules()],
    }


def same(a, b):
    for key in ("modes", "hooks", "asks", "memory", "in place", "attributes"):
        assert a[key] == b[key], key
    assert a["weights"].keys() == b["weights"].keys()
    assert all(torch.equal(a["weights"][k], b["weights"][k]) for k in a["weights"])
    assert all(
        torch.equal(p, q) if p is not None else q is None for p, q in zip(a["grads"], b["grads"], strict=True)
    )


def nan(x):
    x[0, 0, 0, 0] = float("nan")
    return x


BAD = {
    "no module": (lambda net, x: (lambda z: z, x, 0), TypeError, "nn.Module"),
    "no tensor": (lambda net, x: (net, x.numpy(), 0), TypeError, "tensor"),
    "integer image": (lambda net, x: (net, (x * 255).to(torch.uint8), 0), TypeError, "uint8"),
    "NaN": (lambda net, x: (net, nan(x.clone()), 0), ValueError, r"nan at \[0, 0, 0, 0\]"),
    "infinite": (lambda net, x: (net, x / 0, 0), ValueError, "inf"),
    "empty batch": (lambda net, x: (net, x[:0], 0), ValueError, r"\(0, 1, 12, 12\)"),
    "no batch": (lambda net, x: (net, x[0], 0), ValueError, r"\(1, 12, 12\)"),
    "a vector": (lambda net, x: (net, x.flatten(), 0), ValueError, "batch|images"),
    "two dimensions too many": (
        lambda net, x: (net, x[None, None], 0),
        ValueError,
        r"\(1, 1, 3, 1, 12, 12\)",
    ),
    "channels": (lambda net, x: (net, x.repeat(1, 3, 1, 1), 0), ValueError, "channels|feature maps"),
    "too small": (lambda net, x: (net, x[..., :3, :3], 0), ValueError, r"3, 3"),
    "float64 in a float32 network": (lambda net, x: (net, x.double(), 0), TypeError, "float64"),
    "target too large": (lambda net, x: (net, x, 4), ValueError, "target 4 is out of range"),
    "target negative": (lambda net, x: (net, x, -1), ValueError, "target -1 is out of range"),
    "one target too large": (lambda net, x: (net, x, torch.tensor([0, 9, 1])), ValueError, "target 9"),
    "targets too few": (lambda net, x: (net, x, torch.tensor([0, 1])), ValueError, r"\(2,\) for 3 images"),
    "targets too many": (lambda net, x: (net, x, [0, 1, 2, 3]), ValueError, r"\(4,\) for 3 images"),
    "targets of two dimensions": (
        lambda net, x: (net, x, torch.zeros(3, 1, dtype=torch.long)),
        ValueError,
        r"\(3, 1\)",
    ),
    "target not whole": (lambda net, x: (net, x, 1.5), TypeError, "1.5"),
    "targets not whole": (lambda net, x: (net, x, torch.tensor([0.0, 1.0, 2.0])), TypeError, "whole"),
    "target a bool": (lambda net, x: (net, x, True), TypeError, "whole"),
    "target a word": (lambda net, x: (net, x, "cat"), TypeError, "cat"),
}


@each_method
@pytest.mark.parametrize("what", list(BAD))
def test_bad_input_is_refused_and_nothing_changes(name, what):
    make, error, words = BAD[what]
    net, x = network().train(), images()
    before, x_before = state(net), x.clone()
    model, given, target = make(net, x)
    with pytest.raises(error, match=words):
        METHODS[name](model, given, target)
    same(before, state(net))
    assert torch.equal(x, x_before)


def test_a_misfit_names_the_layer():
    with pytest.raises(ValueError, match=r"x has shape \(3, 3, 12, 12\), which layer '0' \(Conv2d\)"):
        attribution.gradient(network(), images(channels=3))
    with pytest.raises(ValueError, match=r"layer '0' \(Conv2d\) cannot take: the batch is missing"):
        attribution.gradient(network(), images()[0])
    nested = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(100, 4)))
    with pytest.raises(ValueError, match=r"layer '1.0' \(Linear\)"):
        attribution.gradient(nested, images())


def test_an_image_without_batch_is_not_taken_for_a_batch_of_its_channels():
    net = nn.Sequential(
        nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(1)
    )  # would run: 3 channels, 3 "images"
    with pytest.raises(ValueError, match="batch is missing"):
        attribution.gradient(net, torch.rand(3, 8, 8))


@pytest.mark.parametrize(
    "output, error",
    [
        (lambda y: (y, y), TypeError),
        (lambda y: {"logits": y}, TypeError),
        (lambda y: y[:, :, None], ValueError),
        (lambda y: y.sum(), ValueError),
        (lambda y: y[:1], ValueError),
        (lambda y: y.detach(), ValueError),
        (lambda y: y * float("nan"), ValueError),
    ],
)
def test_an_output_that_is_no_score_is_refused(output, error):
    class Odd(nn.Module):
        def forward(self, x):
            return output(x.flatten(1)[:, :5])

    with pytest.raises(error):
        attribution.gradient(Odd(), images(), 0)


def test_a_forward_that_fails_for_its_own_reasons_says_so():
    class Broken(nn.Module):
        def forward(self, x):
            raise AttributeError("something of mine")

    with pytest.raises(AttributeError, match="something of mine"):
        attribution.gradient(Broken(), images())


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_score_per_image_needs_no_target(shape):
    class Score(nn.Module):
        def forward(self, x):
            return x.flatten(1).square().sum(1).view(shape)

    x = images()
    for target in (None, 0, torch.zeros(3, dtype=torch.long)):
        torch.testing.assert_close(attribution.gradient(Score(), x, target), 2 * x)
    with pytest.raises(ValueError, match="target 1 is out of range: the network has 1 output"):
        attribution.gradient(Score(), x, 1)


@each_method
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_it_works_wherever_it_is_called(name, context):
    net, x = network(), images()
    expected = METHODS[name](net, x, 2)
    with context():
        got = METHODS[name](net, x, 2)
        from_inside = METHODS[name](net, x * 1, torch.tensor([2, 2, 2]))  # tensors made under inference_mode
    assert not got.requires_grad and not got.is_inference() and got.shape == x.shape
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(from_inside, expected)


def test_a_network_made_under_inference_mode_is_refused_clearly():
    with torch.inference_mode():
        net = network()
    with pytest.raises(ValueError, match="inference_mode"):
        attribution.gradient(net, images())


@each_method
def test_the_network_is_left_as_it_was(name):
    net, x = network().train(), images().requires_grad_()
    net[0].weight.requires_grad_(False)
    net(x).sum().backward()  # gradients that somebody keeps
    x.grad = None
    net[1].eval()
    before, x_before, rng = state(net), x.detach().clone(), torch.get_rng_state()
    METHODS[name](net, x)
    same(before, state(net))
    assert torch.equal(x.detach(), x_before) and x.grad is None and x.requires_grad
    assert torch.equal(rng, torch.get_rng_state())


@each_method
def test_train_mode_is_explained_in_eval_mode(name):
    x = images()
    torch.testing.assert_close(METHODS[name](network().train(), x, 3), METHODS[name](network(), x, 3))


@each_method
@pytest.mark.parametrize("at", [0, 7])
def test_the_network_is_left_as_it_was_when_it_fails_half_way(name, at):
    left = [0]  # how many passes it still lives

    class Bomb(nn.Module):
        def forward(self, x):
            left[0] -= 1
            if left[0] < 0:
                raise KeyError("bomb")
            return x * 1

    net = network().train()
    net = nn.Sequential(*net[:at], Bomb(), *net[at:])
    before = state(net)
    failed = 0
    for passes in range(3):
        left[0] = passes
        try:
            METHODS[name](net, images(), 1)
        except KeyError:
            failed += 1
        same(before, state(net))
    assert failed  # the first pass is the least that a method needs


@each_method
def test_a_batch_gives_what_its_images_give_alone(name, monkeypatch):
    monkeypatch.setattr(call, "_IMAGES", 2)  # so that the batch is cut
    monkeypatch.setattr(call, "_VALUES", 1)
    net, x = network(torch.float64), images(5, torch.float64)
    target = torch.tensor([0, 1, 2, 3, 0])
    together = METHODS[name](net, x, target)
    alone = torch.cat([METHODS[name](net, x[i : i + 1], target[i]) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)
    assert (together[0] - METHODS[name](net, x, 3)[0]).abs().max() > 1e-8  # targets do matter


@each_method
def test_target_none_is_the_predicted_class(name):
    net, x = network(), images(5)
    with torch.no_grad():
        net[-1].bias.copy_(torch.tensor([0.0, 0.02, 0.0, 0.0]))
    predicted = net(x).argmax(1)
    torch.testing.assert_close(METHODS[name](net, x), METHODS[name](net, x, predicted))


@each_method
def test_frozen_parameters_change_nothing(name):
    net, x = network(), images()
    torch.testing.assert_close(
        METHODS[name](copy.deepcopy(net).requires_grad_(False), x, 3), METHODS[name](net, x, 3)
    )


@each_method
@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-4), (torch.bfloat16, 0.25)])
def test_dtypes(name, dtype, tolerance):
    # values that bfloat16 holds exactly, so that only the arithmetic differs
    net, x = network(torch.bfloat16).float(), images(dtype=torch.bfloat16).float()
    expected = METHODS[name](net, x, 3)
    got = METHODS[name](net.to(dtype), x.to(dtype), 3)
    assert got.dtype == dtype and expected.any()
    if name == "occlusion":  # differences of scores: no finer than the scores' own last digit
        coarsest = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
        assert (got.float() - expected).abs().max() <= 2 * coarsest * net(x.to(dtype)).abs().max()
    else:
        assert (got.float() - expected).norm() <= tolerance * expected.norm()


@each_method
def test_the_result_is_new_and_laid_out_plainly(name):
    net, x = network(channels=3), images(channels=3)
    got = METHODS[name](net, x, 3)
    assert got.shape == x.shape and not got.requires_grad
    got += 1  # would fail on an expanded view
    assert torch.equal(x, images(channels=3))


@each_method
def test_a_layout_of_the_callers_makes_no_difference(name):
    net, x = network(channels=3), images(channels=3)
    expected = METHODS[name](net, x, 3)
    for view in (
        x.to(memory_format=torch.channels_last),
        x.flip(0).flip(0).transpose(2, 3).contiguous().transpose(2, 3),
    ):
        torch.testing.assert_close(METHODS[name](net, view, 3), expected)


def test_a_network_that_begins_in_place_writes_into_nothing_of_the_callers():
    net = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 2))
    x = images() - 0.5
    before = x.clone()
    for name in NAMES:
        if not METHODS[name].needs:
            METHODS[name](net, x)
            assert torch.equal(x, before), name


@pytest.mark.parametrize(
    "steps, error", [(0, ValueError), (-3, ValueError), (2.0, TypeError), ("8", TypeError), (True, TypeError)]
)
def test_steps(steps, error):
    with pytest.raises(error, match="steps"):
        check_steps(steps)
    for name in ("integrated_gradients", "path_gradients"):
        with pytest.raises(error, match="steps"):
            METHODS[name](network(), images(), steps=steps)


def test_steps_of_numpy_are_whole():
    assert check_steps(np.int64(5)) == 5 and type(check_steps(np.int64(5))) is int


@pytest.mark.parametrize(
    "baseline, error",
    [
        (torch.zeros(1, 1, 12, 11), ValueError),
        (torch.zeros(2, 1, 12, 12), ValueError),
        (torch.zeros(12), ValueError),
        (torch.zeros(1, 1, 1, 12, 12), ValueError),
        (torch.full((1, 12, 12), float("nan")), ValueError),
        ("black", TypeError),
        (True, TypeError),
        (float("inf"), ValueError),
    ],
)
def test_baselines_of_another_shape(baseline, error):
    for name in ("integrated_gradients", "deep_lift"):
        net = network()
        before = state(net)
        with pytest.raises(error, match="baseline"):
            METHODS[name](net, images(), 1, baseline=baseline)
        same(before, state(net))


def test_baselines_of_a_fitting_shape():
    x = images(channels=3)
    for given in (
        None,
        0,
        0.5,
        torch.tensor(0.5),
        torch.rand(3, 12, 12),
        torch.rand(3, 1, 1),
        torch.rand(1, 3, 12, 12),
        torch.rand(3, 1, 1, 1),
        torch.rand(3, 3, 12, 12),
        torch.zeros(3, 12, 12, dtype=torch.int64),
    ):
        assert check_baseline(given, x).shape == x.shape
    torch.testing.assert_close(
        check_baseline(torch.tensor([1.0, 2.0, 3.0]).view(3, 1, 1), x)[1, :, 4, 4],
        torch.tensor([1.0, 2.0, 3.0]),
    )


def test_chunks_cover_everything_once_and_stay_small():
    with explaining(network(), images(5)) as score:
        for count in (1, 7, 1000, 5000):
            chunks = score.chunks(count)
            assert [i for part in chunks for i in range(part.start, part.stop)] == list(range(count))
            assert max(part.stop - part.start for part in chunks) * 144 <= 2**15
    with explaining(nn.Flatten(), torch.rand(1, 3, 600, 600)) as score:
        assert len(score.chunks(3)) == 3  # big ones go one by one


def test_memory_is_bounded_by_the_chunk_not_by_steps_or_batch():
    class Watch(nn.Module):
        most = 0

        def forward(self, x):
            self.most = max(self.most, x.numel())
            return x.flatten(1).square()[:, :3]

    net, x = Watch(), torch.rand(2, 3, 64, 64)
    for name in ("integrated_gradients", "occlusion", "smoothgrad", "gradient"):
        METHODS[name](net, x.repeat(20, 1, 1, 1), 1)
    assert net.most <= 8 * 3 * 64 * 64


def test_channels_last_where_it_pays():
    with explaining(network(channels=3), images(channels=3)) as score:
        assert score._layout(images(channels=3)) == torch.channels_last
    with explaining(network(torch.float64, 3), images(channels=3).double()) as score:
        assert score._layout(images(channels=3).double()) == torch.contiguous_format
    with explaining(nn.Sequential(nn.Conv2d(3, 4000, 21)), torch.rand(1, 3, 21, 21)) as score:
        assert (
            score._layout(torch.rand(1, 3, 21, 21)) == torch.contiguous_format
        )  # 5 million weights, one small image
    net = nn.Sequential(nn.Conv2d(3, 4000, 21))
    with explaining(net, torch.rand(1, 3, 21, 21), many=True) as score:  # turned once for many images
        assert (
            score._layout(torch.rand(1, 3, 21, 21)) == torch.channels_last
            and not net[0].weight.is_contiguous()
        )
    assert net[0].weight.is_contiguous()


def test_methods_are_described():
    assert {
        "gradient",
        "gradient_x_input",
        "smoothgrad",
        "guided_backprop",
        "deconvnet",
        "cam",
        "grad_cam",
        "occlusion",
        "integrated_gradients",
        "path_gradients",
        "deep_lift",
        "lrp_epsilon",
        "lrp_alpha_beta",
    } <= set(METHODS)
    for name, method in METHODS.items():
        assert method.name == name and method.label and method.formula and method.source
        assert method.complete in ("input-baseline", "logit", None) and method.needs <= {"conv", "gap"}
        signature = inspect.signature(method.function).parameters
        assert list(signature)[:3] == ["model", "x", "target"]
        assert set(signature) - {"model", "x", "target"} == set(method.options)
        for key, option in method.options.items():
            assert signature[key].default == option.default and option.label
            if option.choices:
                assert option.default in option.choices
            elif option.low is not None:
                assert option.default is None or option.low <= option.default <= option.high


@each_method
def test_every_formula_can_be_drawn(name):
    from matplotlib.mathtext import MathTextParser

    formula = (
        METHODS[name]
        .formula.replace(r"\Big", "")
        .replace(r"\big", "")
        .replace(r"\text", r"\mathrm")
        .replace(r"\;", " ")
    )
    MathTextParser("path").parse(f"${formula}$")


@each_method
def test_every_option_can_be_set_to_its_ends_and_choices(name):
    net, x = network(), images(1)
    for key, option in METHODS[name].options.items():
        if option.choices:
            values = option.choices
        elif option.low is not None:
            values = [v for v in (option.low, option.high) if not (key in ("window", "stride") and v > 12)]
        else:
            continue
        for value in values:
            extra = {"window": 12} if key == "stride" else {"stride": 1} if key == "window" else {}
            assert METHODS[name](net, x, 0, **extra, **{key: value}).isfinite().all(), (key, value)


@each_method
def test_a_wrong_option_is_named(name):
    with pytest.raises(TypeError, match="colour"):
        METHODS[name](network(), images(), 0, colour="red")


def test_unsupported_layer_is_a_value_error():
    assert issubclass(UnsupportedLayer, ValueError)

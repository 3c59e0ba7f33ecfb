"""Lecture 04's exercises: every right answer passes, every wrong one fails with the hint that names its
mistake.
"""

import inspect
import warnings

import exercise_answers as a
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaikit.exercises import get
from xaikit.exercises.feedback import evaluate
from xaikit.exercises.lecture04 import as_module, networks, paths, twins

IDS = ["4.1", "4.2", "4.3", "4.4", "4.5", "4.6", "4.7"]

RIGHT = {
    "4.1": [a.by_backward, a.by_numpy_differences, a.by_rows_as_list, a.by_vmap],
    "4.2": [a.ig_batch, a.ig_rows_in_numpy, a.ig_einsum],
    "4.3": [a.gap_loop, a.gap_absolute_numpy],
    "4.4": [a.path_by_jvp, a.path_by_loop, a.path_trapezoid_numpy],
    "4.5": [
        a.twins_as_modules,
        a.twins_as_list_of_modules,
        a.twins_with_short_biases,
        a.twins_of_three_inputs,
        a.twins_relu_first,
        a.twins_of_a_distant_kink,
        a.twins_nested_with_linears_in_a_row,
    ],
    "4.6": [a.bent_two_legs, a.bent_in_numpy, a.bent_fourth_root, a.bent_masks, a.bent_steep, a.bent_switch],
    "4.7": [
        a.ig_batch,
        a.quick_functional,
        a.quick_with_a_look_at_x,
        a.quick_vmap,
        a.quick_forward_mode,
        a.quick_interleaved,
    ],
}

WRONG = [  # id, answer, the start of the hint that it must trigger, points that remain
    ("4.1", lambda f, x: a.by_backward(f, x.half().float()), "That is the gradient at a rounded x", 0),
    ("4.1", lambda f, x: a.by_backward(lambda z: f(z.float()), x.half()), "That is the gradient at a rounded x", 0),
    ("4.1", a.times_input, "That is gradient × input", 0),
    ("4.1", a.negative, "The sign is flipped.", 0),
    ("4.1", a.averaged, "The gradient is divided by the number of rows", 0),
    ("4.1", a.first_row_only, "Only the first row has a gradient", 0),
    ("4.1", a.without_batch, "The batch axis is gone", 0),
    ("4.1", a.absolute, "The size without the sign", 0),
    ("4.1", a.value_itself, "That is f(x) itself", 0),
    ("4.1", a.never_asked, "Gradients flow only to tensors that ask for them", 0),
    ("4.1", a.not_summed, "f returns one number per row", 0),
    ("4.1", a.one_sided_without_half, "Twice the gradient", 0),
    ("4.1", a.grad_of_the_caller, "Twice the gradient", 0),
    ("4.1", a.features_summed, "The features were summed away", 0),
    ("4.1", a.tuple_of_one, "There is one axis too many", 0),
    ("4.1", a.squeezed, "The batch axis is gone", 0),
    ("4.2", a.ig_trapezoid, "Both ends are sampled", 1.5),
    ("4.2", a.ig_shifted, "Off by one: (k − ½)/m goes with", 0),
    ("4.2", a.ig_left, "Left end points", 1.5),
    ("4.2", a.ig_right, "Right end points, as in the paper's sum", 1.5),
    ("4.2", a.ig_linspace, "Both ends are sampled", 1.5),
    ("4.2", a.ig_no_factor, "The factor (x − x′) is missing.", 0),
    ("4.2", a.ig_times_x, "Multiply by x − x′, not by x.", 0),
    ("4.2", a.ig_sign, "The sign is flipped", 0),
    ("4.2", a.ig_no_baseline, "The baseline is forgotten", 0),
    ("4.2", a.ig_path_without_baseline, "The baseline is forgotten", 0),
    ("4.2", a.ig_way_alone, "The baseline is forgotten", 0),
    ("4.2", a.ig_overshoot, "The path overshoots", 0),
    ("4.2", a.ig_sum, "The sum is not divided by the number of steps.", 0),
    ("4.2", a.ig_off_by_one, "Off by one: a step is missing", 0),
    ("4.2", a.ig_divide_by_more, "Off by one: divide by m", 0),
    ("4.2", a.ig_fixed_steps, "The argument steps is not used", 1.5),
    ("4.2", a.ig_gradient_at_x, "That is the gradient at x alone", 0),
    ("4.2", a.ig_mean_before_backward, "Divided by the number of rows", 0),
    ("4.2", a.ig_one_row, "Every row carries the first row's gradient", 0.75),
    ("4.2", a.ig_mixed_axes, "Steps and rows are mixed up", 0.75),
    ("4.2", a.ig_wrong_axis, "You averaged over the rows", 0),
    ("4.2", a.ig_through_x, "The gradient was taken at x, through the point", 0),
    ("4.2", a.ig_from_x, "The path starts at the baseline, not at x", 0),
    ("4.2", a.ig_divided_twice, "Divided by the number of points", 0),
    ("4.2", a.ig_zero_over_zero, "", 0),
    ("4.2", a.ig_in_place, "The caller still needs x", 1.5),
    ("4.3", a.gap_no_baseline, "The baseline is forgotten", 0),
    ("4.3", a.gap_sign, "The sign is flipped", 0),
    ("4.3", a.gap_brackets, "Mind the brackets", 0),
    ("4.3", a.gap_mean, "The credits are averaged", 0),
    ("4.3", a.gap_all_rows, "The credits of all rows are added up", 0),
    ("4.3", a.gap_one_number, "Everything was summed to one number", 0),
    ("4.3", a.gap_swapped, "Input and baseline are swapped.", 0),
    ("4.3", a.gap_wrong_axis, "The sum runs over the rows", 0),
    ("4.3", a.gap_keepdim, "sum(1, keepdim=True) gives (N, 1)", 0),
    ("4.3", a.gap_features_kept, "The features are still there", 0),
    ("4.4", a.path_one_number_a_step, "The features are summed", 0),
    ("4.4", a.path_both_ends, "End points of the steps", 1.5),
    ("4.4", a.path_no_speed, "The derivative γ′ of the path is missing.", 0),
    ("4.4", a.path_straight_factor, "The gradient follows the path but the factor is x − x′", 0),
    ("4.4", a.path_straight_line, "That is the straight line's answer", 0),
    ("4.4", a.path_itself, "The path is multiplied in, not its derivative", 0),
    ("4.4", a.path_left, "End points of the steps", 1.5),
    ("4.4", a.path_sign, "The sign is flipped", 0),
    ("4.4", a.path_not_divided, "The sum is not divided by the number of steps", 0),
    ("4.4", a.path_divided_twice, "Divided by m twice", 0),
    ("4.4", a.path_one_number, "The features are summed", 0),
    ("4.4", a.path_steps_kept, "The axis of the steps is still there", 0),
    ("4.4", a.path_fixed_steps, "The argument steps is not used", 1.5),
    ("4.4", a.path_one_piece_less, "linspace(0, 1, m) has m − 1 pieces", 1.5),
    ("4.4", a.path_last_missing, "The last piece is missing", 0),
    ("4.4", a.path_means_apart, "γ′ is that of the end of the path", 0),
    ("4.5", a.twins_slide, "Find a pair of your own", 0),
    ("4.5", a.twins_slide_swapped_and_doubled, "Find a pair of your own", 0),
    ("4.5", a.twins_none, "Return f, g", 0),
    ("4.5", a.twins_dict, "Return f, g", 0),
    ("4.5", a.twins_rounded, "They are nearly equal", 0),
    ("4.5", a.twins_same, "DeepLIFT sees each ReLU's jump", 0),
    ("4.5", a.twins_negative_threshold, "They agree for positive inputs only", 0),
    ("4.5", a.twins_of_other_weights, "Check each identity", 0),
    ("4.5", a.twins_without_bias, "Without a bias no ReLU switches", 0),
    ("4.5", a.twins_equal_near_origin, "They agree near the origin only", 0),
    ("4.5", a.twins_equal_where_positive, "They agree for positive inputs only", 0),
    ("4.5", a.twins_one_input, "With one input completeness fixes its credit", 0),
    ("4.5", a.twins_only_one, "Return f, g", 0),
    ("4.5", a.twins_constant, "Nothing moves", 0),
    ("4.5", a.twins_with_tanh, "Return f, g: two lists", 0),
    ("4.5", a.twins_transposed_weights, "A layer is (weight (out, in), bias (out,)).", 0),
    ("4.5", a.twins_but_for_a_strip, "Check each identity", 0),
    ("4.5", a.twins_but_for_a_spot, "Check each identity", 0),
    ("4.5", a.twins_but_for_a_spot_among_many_kinks, "Check each identity", 0),
    ("4.5", a.twins_but_far_out, "Check each identity", 0),
    ("4.5", a.twins_slide_hardly_changed, "Find a pair of your own", 0),
    ("4.6", a.bent_stairs, "A path is continuous", 0),
    ("4.6", a.bent_fine_stairs, "A path is continuous", 0),
    ("4.6", a.bent_rounded, "A path is continuous", 0),
    ("4.6", a.bent_two_rows, "The axes are swapped. Two rows came", 0),
    ("4.6", a.bent_own_alpha, "Use the values in alpha", 0),
    ("4.6", a.bent_scaled_alpha, "Use the values in alpha", 0),
    ("4.6", a.bent_straight, "Both coordinates move alike", 0),
    ("4.6", a.bent_no_baseline, "The baseline is forgotten", 0),
    ("4.6", a.bent_unit_box, "That path runs from (0, 0) to (1, 1) only", 0),
    ("4.6", a.bent_backwards, "The path runs backwards", 0),
    ("4.6", a.bent_swapped_axes, "The axes are swapped.", 0),
    ("4.6", a.bent_jump, "A path is continuous", 0),
    ("4.6", a.bent_both_sides, "The path bends to both sides", 0),
    ("4.6", a.bent_hardly, "The path bends too little", 0),
    ("4.6", a.bent_does_not_arrive, "The path starts well and does not end at x", 0),
    ("4.7", a.quick_paired, "Not every row meets every step", 0.5),
    ("4.7", a.quick_order_swapped, "The points are (N, steps, D)", 0.5),
    ("4.7", a.quick_loop, "One call for each step", 0),
    ("4.7", a.quick_row_by_row, "One call for each row", 0),
    ("4.7", a.quick_numpy_differences, "Make one tensor of all points", 0),
    ("4.7", a.quick_never_calls, "Call f on the points of the path.", 0),
    ("4.7", a.ig_mixed_axes, "Steps and rows are mixed up", 0.5),
    ("4.7", a.ig_one_row, "Every row carries the first row's gradient", 0.5),
    ("4.7", a.ig_sum, "The sum is not divided", 0),
]


@pytest.mark.parametrize("seed", [0, 1, 2, 17])
@pytest.mark.parametrize("id", IDS)
def test_the_library_answers_its_own_exercises(id, seed):
    exercise = get(id)
    score, verdict, _ = evaluate(exercise, exercise.library, seed)
    assert (score, verdict.status) == (exercise.points, "right"), verdict


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize(
    "id,answer", [(i, f) for i, fs in RIGHT.items() for f in fs], ids=lambda v: getattr(v, "__name__", v)
)
def test_other_right_answers_pass(id, answer, seed):
    score, verdict, _ = evaluate(get(id), answer, seed)
    assert (score, verdict.status) == (get(id).points, "right"), verdict


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("id,answer,hint,points", WRONG, ids=lambda v: getattr(v, "__name__", None))
def test_wrong_answers_get_the_hint_of_their_mistake(id, answer, hint, points, seed):
    score, verdict, _ = evaluate(get(id), answer, seed)
    assert verdict.status == "wrong"
    assert verdict.hint.startswith(hint), verdict
    assert score == points


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "id,answer",
    [
        ("4.1", a.doubled_where_positive),
        ("4.2", a.ig_doubled),
        ("4.2", a.ig_plain_gradient),
        ("4.2", a.ig_last_midpoint),
        ("4.4", a.path_absolute),
    ],
)
def test_a_mistake_that_fits_one_case_only_is_not_named(id, answer, seed):
    score, verdict, _ = evaluate(get(id), answer, seed)
    assert (score, verdict.status, verdict.hint) == (0, "wrong", "")


def test_an_error_of_torch_is_no_empty_answer():
    def forward_mode_missing(f, x):
        return torch.zeros(1).to("meta").cpu()  # torch: NotImplementedError

    verdict = evaluate(get("4.1"), forward_mode_missing)[1]
    assert verdict.status == "wrong" and "NotImplementedError" in verdict.message


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-200, 1e-9, 1.0, 1e3]), st.booleans())
def test_twins_judge_survives_any_networks(seed, size, sparse):
    rng = np.random.default_rng(seed)
    observed = {"kind": "networks"}
    inputs = rng.integers(1, 9)
    for name in "fg":
        sizes = [inputs, *rng.integers(1, 12, size=rng.integers(0, 4)), 1]
        observed[f"{name}.count"] = len(sizes) - 1
        for i, (m, n) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            weight = np.clip(size * rng.normal(size=(n, m)), -1e3, 1e3)
            observed[f"{name}.weight.{i}"] = (
                np.round(weight * (rng.random((n, m)) < 0.5)) if sparse else weight
            )
            observed[f"{name}.bias.{i}"] = np.clip(size * rng.normal(size=n), -1e3, 1e3)
    case = get("4.5").cases(seed % 1000)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get("4.5").judge(case, observed).status == "wrong"


def test_each_exercise_has_enough_answers_tried():
    for id in IDS:
        assert len({f for i, f, *_ in WRONG if i == id}) >= 3 and len(RIGHT[id]) >= 2


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("id", IDS)
def test_no_wrong_answer_passes_whatever_the_seed(id, seed):
    for answer in {f for i, f, *_ in WRONG if i == id}:
        score, verdict, _ = evaluate(get(id), answer, seed + 100)
        assert verdict.status == "wrong" and score < get(id).points, answer


@pytest.mark.parametrize("id", IDS)
def test_cases_come_back_the_same_and_differ_between_seeds(id):
    def flat(seed):
        return [{k: np.asarray(v).tolist() for k, v in c.data.items()} for c in get(id).cases(seed)]

    assert flat(3) == flat(3)
    assert flat(3) != flat(4)


def test_points_are_those_of_the_lecture():
    assert [get(i).points for i in IDS] == [1, 3, 1, 3, 3, 2, 2]


def test_each_exercise_says_what_it_asks():
    for id in IDS:
        exercise = get(id)
        assert len(exercise.hints) == 3 and 1 <= exercise.difficulty <= 3 and exercise.minutes > 0
        names = ", ".join(inspect.signature(exercise.library).parameters)
        assert exercise.task.startswith(f"{exercise.library.__name__}({names.replace('steps', 'steps=')[:8]}")
        assert exercise.solution().startswith(f"def {exercise.library.__name__}(")


def test_slide_numbers_come_out_exactly():
    integrated = get("4.2").library
    f, g = (lambda x, net=net: net(x)[:, 0] for net in a.slide())
    x = torch.tensor([[3.0, 1.0]])
    for network in (f, g):
        assert integrated(network, x, 0 * x).tolist() == [[1.5, -0.5]]
    layers = [
        [tuple(np.asarray(p.detach()) for p in layer) for layer in networks.layers_from(net)[:2]]
        + [(np.eye(1), np.zeros(1))]
        for net in a.slide()
    ]
    x = x.double()
    assert twins.rescale(layers[0], x.numpy()).tolist() == [[1.5, -0.5]]
    assert twins.rescale(layers[1], x.numpy()).tolist() == [[2.0, -1.0]]


def test_rescale_is_complete_and_agrees_with_the_library():
    from xaikit.attribution import deep_lift

    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(3, 7), torch.nn.ReLU(), torch.nn.Linear(7, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)
    )
    layers = [tuple(p.detach().double().numpy() for p in layer) for layer in networks.layers_from(net)]
    x = np.random.default_rng(0).normal(size=(20, 3))
    credit = twins.rescale(layers, x)
    moved = twins._hidden(layers, x)[1] - twins._hidden(layers, 0 * x)[1]
    np.testing.assert_allclose(credit.sum(1), moved, atol=1e-12)
    theirs = deep_lift(net.double(), torch.from_numpy(x), 0)
    np.testing.assert_allclose(credit, theirs.numpy(), atol=1e-10)


def test_lists_and_modules_of_a_network_are_one():
    f, g = get("4.5").library()
    x = 5 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    expected = torch.maximum(x.max(1).values, torch.tensor(1.0))
    for layers in (f, g):
        torch.testing.assert_close(as_module(layers)(x)[:, 0], expected)
    module, _ = a.twins_as_modules()
    torch.testing.assert_close(as_module(module)(x), module(x))


def test_credit_on_the_product_is_the_area_beside_the_path():
    case = get("4.6").cases(0)[0]
    alpha = paths.ALPHA
    for power, difference in ((3, 0.5), (2, 1 / 3)):  # (1/(1+p) to x₁, p/(1+p) to x₂)
        value = np.stack([alpha, alpha**power], 1)
        observed = {"kind": "array", "value": value, "again": value[paths.AGAIN], "type": "ndarray"}
        assert get("4.6").judge(case, observed).status == "right"
        steps, middle = np.diff(value, axis=0), (value[1:] + value[:-1]) / 2
        assert np.isclose(np.diff((middle[:, ::-1] * steps).sum(0))[0], difference, atol=1e-5)

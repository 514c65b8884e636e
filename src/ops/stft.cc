// SPDX-License-Identifier: Apache-2.0
// stft: the discrete Fourier transforms of frames of a signal (fourier.h). Operands: signal [batch, length, 1] (reals;
// also [batch, length], as PyTorch's exporter writes and ONNX Runtime reads it) or [batch, length, 2], frame_step (a
// scalar: from the start of a frame to that of the next), optional window [N], optional frame_length N (a scalar;
// default: the window's, else the signal's). Result: [batch, frames, bins, 2], frames = (length - N) / frame_step + 1.
// Attribute onesided = 1 (bins = N / 2 + 1; 0: N). f32, f64; f16 and bf16 through f32.
#include <algorithm>
#include <string>
#include <vector>

#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/elements.h"
#include "ops/fourier.h"
#include "ops/fourier_gradient.h"
#include "ops/gradient_rules.h"
#include "ops/operands.h"

namespace edgesmith::ops::stft_op {
namespace {

Status verify(const ir::Node& node) {
  EDGESMITH_TRY(check_attributes(node, {{"onesided", AttributeKind::integer}}));
  EDGESMITH_TRY(check_flag(node, "onesided"));
  EDGESMITH_TRY(check_same_dtype(node, {0, 2}));
  const int rank = node.input(0)->type().rank();
  if (rank < 0 || rank == 2 || rank == 3) return {};
  return invalid_error("signal has rank " + std::to_string(rank) + ", must be 2 or 3");
}

Result<int64_t> number(const ir::Tensor& tensor, std::string_view what) {
  const auto numbers = read_ints(tensor, what);
  if (!numbers) return numbers.error();
  if (numbers->size() == 1 && numbers->front() > 0) return numbers->front();
  return invalid_error(std::string(what) + " is " + tensor.type().text() + ", must be one number above 0");
}

struct Frames {
  int64_t step = 1, length = 0, count = 0, bins = 0;
};

// `window` is its length, -1 when it is absent.
Result<Frames> frames_of(const ir::Node& node, int64_t signal, const ir::Tensor& step, int64_t window,
                         const ir::Tensor* length) {
  Frames frames;
  const auto stated = number(step, "frame_step");
  if (!stated) return stated.error();
  frames.step = *stated;
  frames.length = window >= 0 ? window : signal;
  if (length != nullptr) {
    const auto known = number(*length, "frame_length");
    if (!known) return known.error();
    frames.length = *known;
  }
  if ((window >= 0 && window != frames.length) || frames.length < 1 || frames.length > signal) {
    return invalid_error("frames of " + std::to_string(frames.length) + " do not fit a window of " +
                         std::to_string(window) + " and a signal of " + std::to_string(signal));
  }
  frames.count = (signal - frames.length) / frames.step + 1;
  frames.bins = node.attributes().get_int("onesided", 1) != 0 ? frames.length / 2 + 1 : frames.length;
  return frames;
}

Result<std::vector<ir::Type>> infer(const ir::Node& node, InferContext& context) {
  const ir::Type& signal = node.input(0)->type();
  ir::Type type{signal.dtype, ir::Shape(4)};
  type.shape->back() = ir::Dim(2);
  if (!signal.shape) return std::vector{type};
  type.shape->front() = signal.shape->front();
  const ir::Tensor *step = context.constant(node, 1), *length = context.constant(node, 3);
  int64_t window = -1;
  if (node.input(2) != nullptr) {
    const auto dims = node.input(2)->type().static_dims();
    if (!dims || dims->size() != 1) return std::vector{type};
    window = dims->front();
  }
  const ir::Dim& samples = (*signal.shape)[1];
  if (step == nullptr || (node.input(3) != nullptr && length == nullptr) || !samples.known()) return std::vector{type};
  const auto frames = frames_of(node, samples.value(), *step, window, length);
  if (!frames) return frames.error();
  (*type.shape)[1] = ir::Dim(frames->count);
  (*type.shape)[2] = ir::Dim(frames->bins);
  return std::vector{type};
}

Result<std::vector<ir::Tensor>> eval(const ir::Node& node, std::span<const ir::Tensor* const> inputs) {
  const ir::Tensor& signal = *inputs[0];
  const ir::Tensor* window = operand(inputs, 2);
  const ir::Dims& dims = signal.dims();
  const int64_t parts = dims.size() == 2 ? 1 : dims.size() == 3 ? dims[2] : 0;
  if (parts != 1 && parts != 2) return invalid_error("signal is " + signal.type().text());
  if (window != nullptr && (window->rank() != 1 || window->dtype() != signal.dtype())) {
    return invalid_error("window is " + window->type().text() + " for a signal of " + signal.type().text());
  }
  const auto frames = frames_of(node, dims[1], *inputs[1], window != nullptr ? window->size() : -1, operand(inputs, 3));
  if (!frames) return frames.error();
  auto made = make_tensor(signal.dtype(), {dims[0], frames->count, frames->bins, 2});
  if (!made) return made.error();
  return dispatch(FloatTypes{}, signal.dtype(), [&]<typename T>() -> Result<std::vector<ir::Tensor>> {
    const T* from = signal.data<T>().data();
    const T* weights = window != nullptr ? window->data<T>().data() : nullptr;
    T* to = made->mutable_data<T>().data();
    const auto length = static_cast<size_t>(frames->length);
    FourierPlan plan(length, false);
    std::vector<Complex> line(length);
    const auto put = [&](const Complex& number) {
      *to++ = static_cast<T>(number.real());
      *to++ = static_cast<T>(number.imag());
    };
    for (int64_t b = 0; b < dims[0]; ++b) {
      // Two frames of reals at a time, as real and imaginary parts: their spectra are told apart by their symmetry.
      for (int64_t f = 0; f < frames->count; f += parts == 1 ? 2 : 1) {
        const bool pair = parts == 1 && f + 1 < frames->count;
        const T* at = from + (b * dims[1] + f * frames->step) * parts;
        for (size_t n = 0; n < length; ++n) {
          const double weight = weights != nullptr ? static_cast<double>(weights[n]) : 1;
          const T* x = at + static_cast<int64_t>(n) * parts;
          const double other = parts == 2 ? static_cast<double>(x[1]) : pair ? static_cast<double>(x[frames->step]) : 0;
          line[n] = {static_cast<double>(x[0]) * weight, other * weight};
        }
        plan.run(line.data());
        const auto bins = static_cast<size_t>(frames->bins);
        const auto mirrored = [&](size_t k) { return std::conj(line[k == 0 ? 0 : length - k]); };
        for (size_t k = 0; k < bins; ++k) put(pair ? (line[k] + mirrored(k)) * 0.5 : line[k]);
        for (size_t k = 0; pair && k < bins; ++k) {
          const Complex twice = line[k] - mirrored(k);  // 2 i times the second one
          put({twice.imag() * 0.5, -twice.real() * 0.5});
        }
      }
    }
    return std::vector{std::move(*made)};
  });
}

// Where the elements of every frame stand in the signal: i64 [frames, N].
ir::Value& places_of_frames(GradientBuilder& build, const ir::Node& node, ir::Value& frame) {
  const Term first = build.term(positions(build, build.size_of(node.output(), 1)), ir::DType::i64);
  const Term step = build.term(one_number(build, *node.input(1)), ir::DType::i64);
  const Term within = build.term(positions(build, frame), ir::DType::i64);
  return *(unsqueeze(first * step, {1}) + within).value;
}

// Every frame is a forward transform of elements times the window; its gradient comes back by the conjugate roots and
// goes to the elements, which are in several frames, and to the window, which is in all.
Gradients gradient(GradientBuilder& build, const ir::Node& node, std::span<ir::Value* const> outputs) {
  ir::Value &signal = *node.input(0), *window = node.input(2), *stated = node.input(3);
  const ir::Shape& shape = *signal.type().shape;
  const ir::DType dtype = signal.type().dtype;
  if (!shape.back().known() && shape.size() == 3) {
    return unsupported_error("the last dim of the signal is not known, which its gradient needs");
  }
  ir::Value& frame = stated != nullptr   ? one_number(build, *stated)
                     : window != nullptr ? build.size_of(*window, 0)
                                         : build.size_of(signal, 1);
  ir::Value& back = build.append(ir::OpKind::dft, {outputs[0], &frame, &build.ints({2})}, {{"inverse", int64_t{1}}});
  Term frames = build.term(back, dtype) * cast(build.term(frame, ir::DType::i64), dtype);
  if (shape.size() == 2 || shape.back().value() == 1) frames = real_part(frames, 3);
  if (shape.size() == 2) {
    frames = build.term(build.append(ir::OpKind::squeeze, {frames.value, &build.ints({3})}), dtype);
  }
  ir::Value& places = places_of_frames(build, node, frame);
  std::vector<ir::Value*> gradients(3);
  if (build.wants(0)) {
    Term weighted = frames;
    if (window != nullptr) {
      weighted = weighted * (shape.size() == 3 ? unsqueeze(build.term(*window), {1}) : build.term(*window));
    }
    gradients[0] = &build.append(ir::OpKind::gather_gradient, {weighted.value, &places, &build.size_of(signal, 1)},
                                 {{"axis", int64_t{1}}});
  }
  if (build.wants(2)) {
    const Term elements =
        build.term(build.append(ir::OpKind::gather, {&signal, &places}, {{"axis", int64_t{1}}}), dtype);
    const ir::Ints all_but_place = shape.size() == 3 ? ir::Ints{0, 1, 3} : ir::Ints{0, 1};
    gradients[2] = reduce_sum(frames * elements, all_but_place, /*keep_dims=*/false).value;
  }
  return gradients;
}

}  // namespace

extern const OpInfo stft_info = {.kind = ir::OpKind::stft,
                                 .min_inputs = 2,
                                 .max_inputs = 4,
                                 .min_outputs = 1,
                                 .max_outputs = 1,
                                 .verify = verify,
                                 .infer = infer,
                                 .eval = half_as_float<eval>,
                                 .cost = nullptr,
                                 .quant = nullptr,
                                 .gradient = gradient};

}  // namespace edgesmith::ops::stft_op

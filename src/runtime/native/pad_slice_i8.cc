// SPDX-License-Identifier: Apache-2.0
// pad (with a constant) and slice of codes, channels last: both read position start + i * step of an axis for position
// i of the result, and what lies outside is filled. Runs of bytes that stay side by side are copied whole. No scratch.
#include <algorithm>
#include <cstring>

#include "runtime/integer/plain.h"
#include "runtime/native/kernels.h"

namespace edgesmith::runtime::native {

namespace {

using ir::OpKind;

struct Axis {
  int64_t in = 1, out = 1, start = 0, step = 1;
  int64_t in_stride = 1, out_stride = 1;

  bool whole() const { return in == out && start == 0 && step == 1; }
};

struct Fill : Prepared {
  uint8_t code = 0;
};

bool supports_form(const integer::Form& form) {
  const ir::Node& node = *form.node;
  const int rank = node.input(0)->type().rank();
  if (rank < 1 || node.input(1) == nullptr || !integer::is_move(form)) return false;
  return !node.is(OpKind::pad) || node.attributes().get_string("mode", "constant") == "constant";
}

Result<std::shared_ptr<const Prepared>> prepare_form(const integer::Form& form, Isa) {
  auto fill = std::make_shared<Fill>();
  const ir::Value* value = form.node->is(OpKind::pad) ? form.node->input(2) : nullptr;
  const float real = value == nullptr ? 0.0F : value->constant()->to_floats()[0];
  const integer::CodeType& type = form.result;
  fill->code = static_cast<uint8_t>(ir::quantize_value(real, type.scale, type.zero_point, type.dtype));
  return std::shared_ptr<const Prepared>(std::move(fill));
}

// The axes of the graph. Errors: invalid.
Result<std::vector<Axis>> axes_of(const KernelCall& call) {
  const ir::Dims &in = call.inputs[0]->dims(), &out = *call.outputs[0].dims;
  const auto integers = [&](size_t operand) {
    const bool there = operand < call.inputs.size() && call.inputs[operand] != nullptr;
    return there ? call.inputs[operand]->to_int64s() : std::vector<int64_t>();
  };
  const bool pad = call.node.is(OpKind::pad);
  const auto rank = static_cast<int64_t>(in.size());
  std::vector<Axis> axes;
  for (size_t axis = 0; axis < in.size(); ++axis) axes.push_back({.in = in[axis], .out = out[axis]});
  const std::vector<int64_t> begins = integers(1), named = integers(3);
  const std::vector<int64_t> steps = pad ? std::vector<int64_t>() : integers(4);
  const size_t count = pad ? begins.size() / 2 : begins.size();
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = i < named.size() ? named[i] : static_cast<int64_t>(i);
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) {
      return invalid_error("axis " + std::to_string(axis) + " of rank " + std::to_string(rank));
    }
    Axis& a = axes[static_cast<size_t>(axis)];
    if (i < steps.size()) a.step = steps[i];
    a.start = pad ? -begins[i] : std::clamp<int64_t>(begins[i] < 0 ? begins[i] + a.in : begins[i], 0, a.in - 1);
  }
  return axes;
}

class Mover {
 public:
  // `axes` as they lie in memory.
  Mover(std::vector<Axis> axes, uint8_t fill) : axes_(std::move(axes)), fill_(fill) {
    first_whole_ = axes_.size();
    while (first_whole_ > 0 && axes_[first_whole_ - 1].whole()) --first_whole_;
    int64_t in = 1, out = 1;
    for (size_t i = axes_.size(); i-- > 0;) {
      axes_[i].in_stride = in;
      axes_[i].out_stride = out;
      in *= axes_[i].in;
      out *= axes_[i].out;
    }
    bytes_ = out;
  }

  void run(const uint8_t* in, uint8_t* out) const {
    if (first_whole_ == 0) {
      std::memcpy(out, in, static_cast<size_t>(bytes_));
    } else {
      run_axis(0, in, out);
    }
  }

 private:
  void run_axis(size_t index, const uint8_t* in, uint8_t* out) const {
    const Axis& a = axes_[index];
    if (index + 1 == first_whole_ && a.step == 1) {
      const int64_t begin = std::clamp<int64_t>(-a.start, 0, a.out), end = std::clamp(a.in - a.start, begin, a.out);
      std::memset(out, fill_, static_cast<size_t>(begin * a.out_stride));
      if (begin < end) {
        std::memcpy(out + begin * a.out_stride, in + (a.start + begin) * a.in_stride,
                    static_cast<size_t>((end - begin) * a.out_stride));
      }
      std::memset(out + end * a.out_stride, fill_, static_cast<size_t>((a.out - end) * a.out_stride));
      return;
    }
    for (int64_t i = 0; i < a.out; ++i, out += a.out_stride) {
      const int64_t from = a.start + i * a.step;
      if (from < 0 || from >= a.in) {
        std::memset(out, fill_, static_cast<size_t>(a.out_stride));
      } else if (index + 1 == first_whole_) {
        std::memcpy(out, in + from * a.in_stride, static_cast<size_t>(a.out_stride));
      } else {
        run_axis(index + 1, in + from * a.in_stride, out);
      }
    }
  }

  std::vector<Axis> axes_;
  uint8_t fill_;
  size_t first_whole_ = 0;  // from here on axes are copied whole
  int64_t bytes_ = 0;
};

Status run(const KernelCall& call) {
  if (ir::num_elements(*call.outputs[0].dims) == 0) return {};
  auto axes = axes_of(call);
  if (!axes) return axes.error();
  if (axes->size() > 2) std::rotate(axes->begin() + 1, axes->begin() + 2, axes->end());  // channels last
  Mover(std::move(*axes), static_cast<const Fill*>(call.prepared)->code)
      .run(reinterpret_cast<const uint8_t*>(call.inputs[0]->bytes().data()), call.outputs[0].as<uint8_t>());
  return {};
}

constexpr Kernel row(std::string_view name, OpKind op) {
  return {.provider = "native",
          .name = name,
          .op = op,
          .supports_form = supports_form,
          .layout = Layout::channels_last,
          .prepare_form = prepare_form,
          .run = run};
}

}  // namespace

const Kernel kPadI8 = row("pad_i8", OpKind::pad);
const Kernel kSliceI8 = row("slice_i8", OpKind::slice);

}  // namespace edgesmith::runtime::native

// SPDX-License-Identifier: Apache-2.0
// 2D convolution of float32 planes by oneDNN, in the layout that it likes best: what comes in and goes out is reordered
// where that is not planes.
//
//   planes ─reorder─▶ its layout ─convolve with packed weights─▶ its layout ─reorder─▶ planes
//
// The weights and the size of the planes must be known ahead; one sample at a time. Scratch: both reordered values and
// what oneDNN asks for.
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <vector>

#include "runtime/native/conv_common.h"
#include "runtime/native/packing.h"
#include "runtime/native/table.h"
#include "runtime/onednn/kernels.h"
#include "runtime/onednn/library.h"

namespace edgesmith::runtime::onednn {

namespace {

using Desc = dnnl_memory_desc_t;

// The dims of one sample of `value`, when they are known.
std::optional<ir::Dims> sample_dims(const ir::Value& value) {
  const auto& shape = value.type().shape;
  if (!shape || shape->size() != 4) return std::nullopt;
  ir::Dims dims = {1};
  for (size_t i = 1; i < 4; ++i) {
    if (!(*shape)[i].known()) return std::nullopt;
    dims.push_back((*shape)[i].value());
  }
  return dims;
}

bool supports(const ir::Node& node) {
  if (!native::is_float_conv(node) || !node.input(1)->node().is(ir::OpKind::constant)) return false;
  const ir::Value* bias = node.input(2);
  if (bias != nullptr && !bias->node().is(ir::OpKind::constant)) return false;
  const auto input = sample_dims(*node.input(0)), weight = node.input(1)->type().static_dims();
  if (!input || !weight || ir::num_elements(*input) == 0 || ir::num_elements(*weight) == 0) return false;
  const auto window = native::conv_window(node, *input, *weight);
  return window && ir::num_elements(window->output) > 0;
}

bool never_first(const ir::Node&) { return false; }

struct Convolution : Prepared {
  Desc planes_in = {}, in = {}, planes_out = {}, out = {}, weights = {}, bias = {}, extra = {};
  Primitive reorder_in, convolve, reorder_out;  // a reorder is null where planes are what oneDNN likes
  std::vector<float> packed, offsets;           // offsets: empty without a bias

  int64_t in_bytes() const { return reorder_in == nullptr ? 0 : bytes(in); }
  int64_t out_bytes() const { return reorder_out == nullptr ? 0 : bytes(out); }
  int64_t extra_bytes() const { return bytes(extra); }

 private:
  static int64_t bytes(const Desc& desc) {
    return native::round_up(static_cast<int64_t>(library().memory_desc_get_size(&desc)), 64);
  }
};

Status init(Desc& desc, const ir::Dims& dims, dnnl_format_tag_t tag) {
  return check(library().memory_desc_init_by_tag(&desc, static_cast<int>(dims.size()), dims.data(), dnnl_f32, tag),
               "memory_desc_init_by_tag");
}

Result<Memory> memory(const Desc& desc, const void* data) {
  dnnl_memory_t made = nullptr;
  EDGESMITH_TRY(
      check(library().memory_create(&made, &desc, library().engine, const_cast<void*>(data)), "memory_create"));
  return Memory(made);
}

struct Argument {
  int index;
  const Desc& desc;
  const void* data;
};

Status execute(const Primitive& primitive, std::initializer_list<Argument> arguments) {
  std::vector<Memory> memories;
  std::vector<dnnl_exec_arg_t> args;
  for (const Argument& argument : arguments) {
    auto made = memory(argument.desc, argument.data);
    if (!made) return made.error();
    args.push_back({argument.index, made->get()});
    memories.push_back(std::move(*made));
  }
  EDGESMITH_TRY(
      check(library().primitive_execute(primitive.get(), stream(), static_cast<int>(args.size()), args.data()),
            "primitive_execute"));
  return check(library().stream_wait(stream()), "stream_wait");
}

Result<Primitive> make(const PrimitiveDesc& desc) {
  dnnl_primitive_t made = nullptr;
  EDGESMITH_TRY(check(library().primitive_create(&made, desc.get()), "primitive_create"));
  return Primitive(made);
}

// Null when both descriptions are the same.
Result<Primitive> make_reorder(const Desc& from, const Desc& to) {
  if (library().memory_desc_equal(&from, &to) != 0) return Primitive();
  dnnl_primitive_desc_t made = nullptr;
  EDGESMITH_TRY(
      check(library().reorder_primitive_desc_create(&made, &from, library().engine, &to, library().engine, nullptr),
            "reorder_primitive_desc_create"));
  return make(PrimitiveDesc(made));
}

// Chooses the layouts.
Status plan(const ir::Node& node, const ir::Dims& input, const ir::Dims& weight, bool biased, Convolution& c) {
  const auto window = native::conv_window(node, input, weight);
  if (!window) return window.error();
  ir::Dims dilations = window->dilations;  // oneDNN counts what lies between two taps
  for (int64_t& dilation : dilations) --dilation;
  const int64_t groups = node.attributes().get_int("group", 1);
  const ir::Dims output = {1, weight[0], window->output[0], window->output[1]};
  const ir::Dims grouped = {groups, weight[0] / groups, weight[1], weight[2], weight[3]};
  Desc any_in = {}, any_out = {}, any_weights = {};
  EDGESMITH_TRY(init(c.planes_in, input, dnnl_nchw));
  EDGESMITH_TRY(init(c.planes_out, output, dnnl_nchw));
  EDGESMITH_TRY(init(any_in, input, dnnl_format_tag_any));
  EDGESMITH_TRY(init(any_out, output, dnnl_format_tag_any));
  EDGESMITH_TRY(init(any_weights, groups > 1 ? grouped : weight, dnnl_format_tag_any));
  if (biased) EDGESMITH_TRY(init(c.bias, {weight[0]}, dnnl_a));
  dnnl_convolution_desc_t desc = {};
  EDGESMITH_TRY(check(
      library().dilated_convolution_forward_desc_init(
          &desc, dnnl_forward_inference, dnnl_convolution_direct, &any_in, &any_weights, biased ? &c.bias : nullptr,
          &any_out, window->strides.data(), dilations.data(), window->pads_begin.data(), window->pads_end.data()),
      "dilated_convolution_forward_desc_init"));
  dnnl_primitive_attr_t attr = nullptr;
  EDGESMITH_TRY(check(library().primitive_attr_create(&attr), "primitive_attr_create"));
  const std::unique_ptr<dnnl_primitive_attr, Destroy> owned(attr);
  EDGESMITH_TRY(check(library().primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user),
                      "primitive_attr_set_scratchpad_mode"));
  dnnl_primitive_desc_t made = nullptr;
  EDGESMITH_TRY(
      check(library().primitive_desc_create(&made, &desc, attr, library().engine, nullptr), "primitive_desc_create"));
  const PrimitiveDesc chosen(made);
  const auto query = [&](dnnl_query_t what) { return *library().primitive_desc_query_md(made, what, 0); };
  c.in = query(dnnl_query_src_md);
  c.out = query(dnnl_query_dst_md);
  c.weights = query(dnnl_query_weights_md);
  c.extra = query(dnnl_query_scratchpad_md);
  auto convolve = make(chosen);
  if (!convolve) return convolve.error();
  c.convolve = std::move(*convolve);
  auto reorder_in = make_reorder(c.planes_in, c.in);
  if (!reorder_in) return reorder_in.error();
  c.reorder_in = std::move(*reorder_in);
  auto reorder_out = make_reorder(c.out, c.planes_out);
  if (!reorder_out) return reorder_out.error();
  c.reorder_out = std::move(*reorder_out);
  return {};
}

Status pack(const ir::Tensor& weight, int64_t groups, Convolution& c) {
  const ir::Dims& dims = weight.dims();
  Desc plain = {};
  if (groups > 1) {
    EDGESMITH_TRY(init(plain, {groups, dims[0] / groups, dims[1], dims[2], dims[3]}, dnnl_goihw));
  } else {
    EDGESMITH_TRY(init(plain, dims, dnnl_oihw));
  }
  c.packed.resize(library().memory_desc_get_size(&c.weights) / sizeof(float));
  const auto data = weight.data<float>();
  auto reorder = make_reorder(plain, c.weights);
  if (!reorder) return reorder.error();
  if (*reorder == nullptr) {
    std::ranges::copy(data, c.packed.begin());
    return {};
  }
  return execute(*reorder, {{DNNL_ARG_FROM, plain, data.data()}, {DNNL_ARG_TO, c.weights, c.packed.data()}});
}

Result<std::shared_ptr<const Prepared>> prepare(const ir::Node& node, std::span<const ir::Tensor* const> constants,
                                                Isa) {
  auto out = std::make_shared<Convolution>();
  const ir::Tensor& weight = *constants[1];
  const ir::Tensor* bias = constants.size() > 2 ? constants[2] : nullptr;
  EDGESMITH_TRY(plan(node, *sample_dims(*node.input(0)), weight.dims(), bias != nullptr, *out));
  EDGESMITH_TRY(pack(weight, node.attributes().get_int("group", 1), *out));
  if (bias != nullptr) {
    if (bias->size() != weight.dims()[0]) {
      return invalid_error("bias has " + std::to_string(bias->size()) + " elements for " +
                           std::to_string(weight.dims()[0]) + " output channels");
    }
    const auto data = bias->data<float>();
    out->offsets.assign(data.begin(), data.end());
  }
  return std::shared_ptr<const Prepared>(std::move(out));
}

Result<int64_t> scratch_bytes(const ir::Node&, const Prepared* prepared, OperandDims, const ir::Dims&, Isa) {
  const auto& c = static_cast<const Convolution&>(*prepared);
  return c.in_bytes() + c.out_bytes() + c.extra_bytes();
}

Status run_sample(const Convolution& c, const float* planes, float* result, std::byte* scratch) {
  const void* in = planes;
  void* out = result;
  if (c.reorder_in != nullptr) {
    in = scratch;
    EDGESMITH_TRY(execute(c.reorder_in, {{DNNL_ARG_FROM, c.planes_in, planes}, {DNNL_ARG_TO, c.in, in}}));
  }
  if (c.reorder_out != nullptr) out = scratch + c.in_bytes();
  EDGESMITH_TRY(execute(c.convolve, {{DNNL_ARG_SRC, c.in, in},
                                     {DNNL_ARG_WEIGHTS, c.weights, c.packed.data()},
                                     {DNNL_ARG_BIAS, c.bias, c.offsets.empty() ? nullptr : c.offsets.data()},
                                     {DNNL_ARG_DST, c.out, out},
                                     {DNNL_ARG_SCRATCHPAD, c.extra, scratch + c.in_bytes() + c.out_bytes()}}));
  if (c.reorder_out == nullptr) return {};
  return execute(c.reorder_out, {{DNNL_ARG_FROM, c.out, out}, {DNNL_ARG_TO, c.planes_out, result}});
}

Status run(const KernelCall& call) {
  const auto& c = static_cast<const Convolution&>(*call.prepared);
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  const int64_t samples = call.inputs[0]->dims()[0];
  const int64_t in_size = call.inputs[0]->size() / std::max<int64_t>(1, samples);
  const int64_t out_size = ir::num_elements(*call.outputs[0].dims) / std::max<int64_t>(1, samples);
  for (int64_t n = 0; n < samples; ++n, in += in_size, out += out_size) {
    EDGESMITH_TRY(run_sample(c, in, out, call.scratch));
    if (!call.epilogue.empty()) native::native_table(call.isa).apply_epilogue(call.epilogue, out, out, out_size);
  }
  return {};
}

}  // namespace

const Kernel kConvF32 = {.provider = "onednn",
                         .name = "conv_f32",
                         .op = ir::OpKind::conv,
                         .isa = Isa::avx2,
                         .epilogue = true,
                         .reassociates = true,
                         .unavailable = unavailable,
                         .supports = supports,
                         .prefers = never_first,
                         .prepare = prepare,
                         .output_dims = native::conv_output_dims,
                         .scratch_bytes = scratch_bytes,
                         .run = run};

}  // namespace edgesmith::runtime::onednn

// SPDX-License-Identifier: Apache-2.0
// Mean and maximum of whole float32 planes.
#include <algorithm>
#include <array>
#include <limits>

#include "runtime/native/conv_common.h"
#include "runtime/native/kernels.h"
#include "runtime/native/table.h"

namespace edgesmith::runtime::native {

namespace {

constexpr int64_t kStripes = 16;

bool supports(const ir::Node& node) { return all_float(node) && node.input(0)->type().rank() >= 3; }

std::optional<ir::Dims> output_dims(const ir::Node&, OperandDims inputs) {
  ir::Dims out(inputs[0]->size(), 1);
  out[0] = (*inputs[0])[0];
  out[1] = (*inputs[0])[1];
  return out;
}

// Sixteen interleaved sums, then those in a tree: one order for every vector width.
float mean(const float* in, int64_t count) {
  std::array<float, kStripes> sums = {};
  int64_t i = 0;
  for (; i + kStripes <= count; i += kStripes) {
    for (int64_t s = 0; s < kStripes; ++s) sums[static_cast<size_t>(s)] += in[i + s];
  }
  for (int64_t s = 0; i < count; ++i, ++s) sums[static_cast<size_t>(s)] += in[i];
  for (size_t half = kStripes / 2; half > 0; half /= 2) {
    for (size_t s = 0; s < half; ++s) sums[s] += sums[s + half];
  }
  return sums[0] / static_cast<float>(count);
}

float maximum(const float* in, int64_t count) {
  float out = std::numeric_limits<float>::lowest();
  for (int64_t i = 0; i < count; ++i) out = in[i] > out ? in[i] : out;
  return out;
}

template <float (*Reduce)(const float*, int64_t)>
Status run(const KernelCall& call) {
  const ir::Dims& dims = call.inputs[0]->dims();
  const int64_t planes = dims[0] * dims[1];
  int64_t plane = 1;
  for (size_t axis = 2; axis < dims.size(); ++axis) plane *= dims[axis];
  const float* in = call.inputs[0]->data<float>().data();
  float* out = call.outputs[0].as<float>();
  for (int64_t p = 0; p < planes; ++p) out[p] = Reduce(in + p * plane, plane);
  native_table(call.isa).apply_epilogue(call.epilogue, out, out, planes);
  return {};
}

}  // namespace

const Kernel kGlobalAveragePoolF32 = {.provider = "native",
                                      .name = "global_average_pool_f32",
                                      .op = ir::OpKind::global_average_pool,
                                      .epilogue = true,
                                      .supports = supports,
                                      .output_dims = output_dims,
                                      .run = run<mean>};

const Kernel kGlobalMaxPoolF32 = {.provider = "native",
                                  .name = "global_max_pool_f32",
                                  .op = ir::OpKind::global_max_pool,
                                  .epilogue = true,
                                  .supports = supports,
                                  .output_dims = output_dims,
                                  .run = run<maximum>};

}  // namespace edgesmith::runtime::native

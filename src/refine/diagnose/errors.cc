// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/errors.h"

#include <algorithm>
#include <map>

#include "edgesmith/ops/op_info.h"

namespace edgesmith::refine::diagnose {
namespace {

using ir::OpKind;
using passes::quantize::Runner;
using passes::quantize::Stream;

std::vector<float> reals_of(const ir::Tensor& tensor) { return tensor.to_floats(); }

bool has_reals(const ir::Tensor& tensor) { return ir::is_float(tensor.dtype()) && tensor.dtype() != ir::DType::f64; }

// The squared differences of two lists, and the squares of the second.
void add_difference(const std::vector<float>& a, const std::vector<float>& b, double& noise, double& squares) {
  double differences = 0, own = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    differences += difference * difference;
    own += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  noise += differences;
  squares += own;
}

void describe(const ir::Value& value, const ir::Dims& dims, const std::vector<float>& reals,
              const std::optional<ir::Quant>& quant, ValueFacts& facts) {
  if (reals.empty()) return;
  const auto [least, most] = std::minmax_element(reals.begin(), reals.end());
  facts.min = facts.seen ? std::min(facts.min, *least) : *least;
  facts.max = facts.seen ? std::max(facts.max, *most) : *most;
  facts.seen = true;
  facts.count += static_cast<int64_t>(reals.size());
  double signal = 0;
  for (const float x : reals) signal += static_cast<double>(x) * static_cast<double>(x);
  facts.signal += signal;
  const int axis = channel_axis(value);
  if (axis >= 0 && axis < static_cast<int>(dims.size())) {
    const auto channels = static_cast<size_t>(dims[at(axis)]);
    size_t inner = 1;
    for (size_t d = at(axis) + 1; d < dims.size(); ++d) inner *= static_cast<size_t>(dims[d]);
    if (facts.channel_max.size() < channels) {
      facts.channel_max.resize(channels, 0.0F);
      facts.channel_sum.resize(channels, 0.0);
    }
    for (size_t i = 0; i < reals.size(); i += inner) {
      const size_t channel = i / inner % channels;
      float largest = facts.channel_max[channel];
      double sum = 0;
      for (size_t k = i; k < i + inner; ++k) {
        largest = std::max(largest, std::abs(reals[k]));
        sum += static_cast<double>(reals[k]);
      }
      facts.channel_max[channel] = largest;
      facts.channel_sum[channel] += sum;
    }
  }
  if (!quant || !quant->per_tensor()) return;
  const float scale = quant->scale[0];
  const int32_t zero = quant->zero_point[0];
  const auto low = static_cast<float>(ir::min_code(quant->dtype) - zero) * scale - scale / 2;
  const auto high = static_cast<float>(ir::max_code(quant->dtype) - zero) * scale + scale / 2;
  double rounding = 0;
  for (const float x : reals) {
    facts.clipped += x < low || x > high ? 1 : 0;
    const double code = ir::quantize_value(x, scale, zero, quant->dtype);
    const double difference = static_cast<double>(x) - (code - zero) * static_cast<double>(scale);
    rounding += difference * difference;
  }
  facts.rounding += rounding;
}

void merge(ValueFacts& all, const ValueFacts& one) {
  if (one.seen) {
    all.min = all.seen ? std::min(all.min, one.min) : one.min;
    all.max = all.seen ? std::max(all.max, one.max) : one.max;
  }
  all.signal += one.signal;
  all.noise += one.noise;
  all.other_signal += one.other_signal;
  all.twin_noise += one.twin_noise;
  all.twin_signal += one.twin_signal;
  all.rounding += one.rounding;
  all.count += one.count;
  all.clipped += one.clipped;
  all.seen = all.seen || one.seen;
  all.compared = all.compared || one.compared;
  all.twinned = all.twinned || one.twinned;
  if (all.channel_max.size() < one.channel_max.size()) {
    all.channel_max.resize(one.channel_max.size(), 0.0F);
    all.channel_sum.resize(one.channel_max.size(), 0.0);
  }
  for (size_t c = 0; c < one.channel_max.size(); ++c) {
    all.channel_sum[c] += one.channel_sum[c];
    all.channel_max[c] = std::max(all.channel_max[c], one.channel_max[c]);
  }
}

}  // namespace

int channel_axis(const ir::Value& value) {
  const int rank = value.type().rank();
  if (rank < 2) return -1;
  const ir::Node& node = value.node();
  if (node.is(OpKind::mat_mul) || node.is(OpKind::gemm) || node.is(OpKind::layer_normalization)) return rank - 1;
  return rank == 3 && !node.is(OpKind::conv) && !node.is(OpKind::conv_transpose) ? rank - 1 : 1;
}

Result<Facts> observe(const ir::Graph& original, const Twins& twins, const ir::Graph& other, const Match& match,
                      const std::vector<std::optional<ir::Quant>>& quants, const runtime::ExecutorOptions& executor,
                      const Stream& stream) {
  std::vector<bool> in_float(at(twins.graph.num_value_ids()), false), in_other(at(other.num_value_ids()), false);
  std::vector<const ir::Value*> values(at(original.num_value_ids()), nullptr);
  std::vector<int> host_of_twin(in_float.size(), -1);
  for (const ir::Node& node : original.nodes()) {
    if (node.is(OpKind::constant)) continue;
    for (int i = 0; i < node.num_outputs(); ++i) {
      const ir::Value& value = node.output(i);
      if (!ir::is_float(value.type().dtype) || value.type().dtype == ir::DType::f64) continue;
      values[at(value.id())] = &value;
      in_float[at(value.id())] = true;
      const int other_id = match.other_value[at(value.id())], twin = twins.twin_value[at(value.id())];
      if (other_id >= 0) in_other[at(other_id)] = true;
      if (twin >= 0) in_float[at(twin)] = true;
      if (twin >= 0) host_of_twin[at(twin)] = value.id();
    }
  }
  runtime::ExecutorOptions plain = executor;
  plain.observed = in_float;
  auto floats = Runner::create(twins.graph, stream.num_threads(), plain);
  if (!floats) return floats.error();
  runtime::ExecutorOptions coded = executor;
  coded.observed = in_other;
  auto compressed = Runner::create(other, stream.num_threads(), coded);
  if (!compressed) return compressed.error();

  Facts facts{.values = std::vector<ValueFacts>(values.size())};
  std::vector<std::vector<ValueFacts>> slots(Stream::kSlots, std::vector<ValueFacts>(values.size()));
  const auto work = [&](const Stream::Batch& batch) -> Status {
    std::vector<ValueFacts>& own = slots[static_cast<size_t>(batch.slot)];
    std::map<int, std::vector<float>> kept, twin_kept;  // of this batch only
    const runtime::Observer keep = [&](const ir::Value& value, const ir::Tensor& tensor) {
      if (!has_reals(tensor)) return;
      const auto id = at(value.id());
      if (id < values.size() && values[id] != nullptr) {
        const auto& reals = kept[value.id()] = reals_of(tensor);
        describe(*values[id], tensor.dims(), reals, quants[id], own[id]);
      } else if (host_of_twin[id] >= 0) {
        twin_kept[host_of_twin[id]] = reals_of(tensor);
      }
    };
    if (auto outputs = floats->run(batch, &keep); !outputs) return outputs.error();
    for (const auto& [id, reals] : twin_kept) {
      const auto reference = kept.find(id);
      if (reference == kept.end() || reference->second.size() != reals.size()) continue;
      add_difference(reals, reference->second, own[at(id)].twin_noise, own[at(id)].twin_signal);
      own[at(id)].twinned = true;
    }
    twin_kept.clear();
    const runtime::Observer compare = [&](const ir::Value& value, const ir::Tensor& tensor) {
      const int id = match.float_value[at(value.id())];
      const auto reference = kept.find(id);
      if (id < 0 || !has_reals(tensor) || reference == kept.end()) return;
      const std::vector<float> reals = reals_of(tensor);
      if (reals.size() != reference->second.size()) return;
      add_difference(reference->second, reals, own[at(id)].noise, own[at(id)].other_signal);
      own[at(id)].compared = true;
    };
    auto outputs = compressed->run(batch, &compare);
    return outputs ? Status() : Status(outputs.error());
  };
  const auto fold = [&](int batches) {
    for (int slot = 0; slot < batches; ++slot) {
      for (size_t id = 0; id < values.size(); ++id) {
        ValueFacts& own = slots[static_cast<size_t>(slot)][id];
        if (own.seen || own.compared) merge(facts.values[id], own);
        own = {};
      }
    }
  };
  EDGESMITH_TRY(stream.run("compare values", work, fold));
  return facts;
}

}  // namespace edgesmith::refine::diagnose

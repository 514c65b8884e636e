// SPDX-License-Identifier: Apache-2.0
// Weight sharing after training: every weight becomes an index into a small codebook, from calibration data alone.
//
//   inputs     second moments of what the weights of every layer meet, through the layers
//              that are shared already, and what the float model gives it there              reconstruct/sequence.cc
//   codebooks  exact k-means of the weights, each weighing as much as the output feels it      clusters.cc
//   fit        assignments by the engine's sweep, entries by least squares, in turns           shared_rows.cc
//   write      constants with encoding palette; the exporter makes look-ups of them            onnx/export_graph.cc
//
// Zeros of a pruned weight stay zero and have an entry of their own. With entries of int8 the constant is affine over a
// palette of codes, so that integer arithmetic reads the codes as they are.
#include <algorithm>
#include <cmath>

#include "edgesmith/ops/op_info.h"
#include "edgesmith/passes/pass.h"
#include "passes/quantize/node_form.h"
#include "passes/quantize/selectors.h"
#include "passes/reconstruct/layer.h"
#include "passes/reconstruct/moments.h"
#include "passes/reconstruct/sequence.h"
#include "passes/share/shared_rows.h"

namespace edgesmith::passes {
namespace {

using namespace share;

// Codebooks and assignments are fitted in turns, which follows the moments more closely than one rounding does.
constexpr int64_t kRowsPerInput = 32;
// Share of the mean of the diagonal that is added to it, as when weights are rounded.
constexpr double kDamping = 0.01;
// Exact zeros are a mask where they are more than this share of the weights, and with so many bits always: an entry of
// eight for them costs little.
constexpr double kMaskedShare = 0.05;
constexpr int64_t kBitsForFewZeros = 3;
// What the nodes around a codebook take in a file.
constexpr int64_t kLookUpBytes = 150;
constexpr int kLargestCode = 127;

const OptionSchema& options() {
  static const OptionSchema kSchema = {
      {.name = "bits",
       .kind = OptionKind::integer,
       .fallback = "4",
       .help = "bits of an index: a codebook has at most 2^bits entries",
       .min = 1,
       .max = 8},
      {.name = "codebook",
       .kind = OptionKind::word,
       .fallback = "group",
       .help = "what shares a codebook: a group of output channels; the whole tensor; scaled: the whole tensor, with a "
               "scale a channel (entries are int8 then)",
       .words = {"group", "tensor", "scaled"}},
      {.name = "group",
       .kind = OptionKind::integer,
       .fallback = "16",
       .help = "output channels that share a codebook; groups are made as equal as can be",
       .min = 1,
       .max = 1e9},
      {.name = "entries",
       .kind = OptionKind::word,
       .fallback = "float",
       .help = "type of a codebook's entries; int8: integer arithmetic reads them as they are",
       .words = {"float", "int8"}},
      {.name = "repair",
       .kind = OptionKind::word,
       .fallback = "reconstruct",
       .help = "fit indices and codebooks to the layer's outputs; none: to the weights alone",
       .words = {"reconstruct", "none"}},
      {.name = "only", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of the nodes to share"},
      {.name = "skip", .kind = OptionKind::text_list, .fallback = "", .help = "names (globs) of nodes to leave alone"},
      {.name = "skip_op", .kind = OptionKind::text_list, .fallback = "", .help = "operators to leave alone"},
  };
  return kSchema;
}

std::vector<std::string> list_of(const Options& options, std::string_view name) {
  return options.is_set(name) ? options.list(name) : std::vector<std::string>{};
}

// A weight and the layers that multiply with it.
struct Weight {
  ir::Value* value = nullptr;
  std::vector<ir::Node*> nodes;

  ir::Node& first() const { return *nodes[0]; }
};

// Whether the rows that a layer multiplies its weights with can be collected.
bool has_rows(const ir::Node& node) {
  if (node.is(ir::OpKind::conv) || node.is(ir::OpKind::gemm)) return true;
  return node.is(ir::OpKind::mat_mul) && quantize::weight_of(node)->constant()->rank() == 2;
}

// Whether two layers multiply a weight with rows of the same form.
bool same_use(const ir::Node& a, const ir::Node& b) {
  return a.op() == b.op() && quantize::weight_axis(a) == quantize::weight_axis(b) &&
         a.attributes().get_int("group", 1) == b.attributes().get_int("group", 1);
}

// How rows of weights lie in the tensor.
struct Layout {
  int axis = 0;
  int64_t outputs = 1, width = 1, inner = 1;

  explicit Layout(const ir::Node& node) : axis(quantize::weight_axis(node)) {
    const ir::Tensor& weight = *quantize::weight_of(node)->constant();
    outputs = weight.dims()[static_cast<size_t>(axis)];
    width = weight.size() / outputs;
    for (size_t d = static_cast<size_t>(axis) + 1; d < weight.dims().size(); ++d) inner *= weight.dims()[d];
  }
  size_t index(int64_t m, int64_t k) const {
    return static_cast<size_t>((k / inner * outputs + m) * inner + k % inner);
  }
};

// The layer as the engine's helpers take it, without its weights.
reconstruct::Layer without_weights(ir::Node& node, const Layout& layout) {
  return {.node = &node, .outputs = layout.outputs, .width = layout.width};
}

// The mean of the inputs goes to the bias where there is one that can take it up.
bool has_bias(const Weight& weight, const Layout& layout) {
  return weight.nodes.size() == 1 && reconstruct::has_bias_operand(without_weights(weight.first(), layout));
}

class Sharer {
 public:
  Sharer(ir::Graph& graph, const Options& options, PassContext& context)
      : graph_(graph),
        context_(context),
        bits_(options.integer("bits")),
        group_(options.integer("group")),
        scaled_(options.word("codebook") == "scaled"),
        whole_(options.word("codebook") != "group"),
        int8_(scaled_ || options.word("entries") == "int8"),
        repair_(options.word("repair") == "reconstruct") {
    if (scaled_ && options.given("entries") && options.word("entries") == "float") bad_entries_ = true;
  }

  Result<Change> run(const std::vector<bool>& selected) {
    if (bad_entries_) {
      return usage_error("a scaled codebook has entries of int8", "leave --entries out, or use --codebook group");
    }
    if (repair_ && (context_.calib == nullptr || context_.calib->size() == 0)) {
      return usage_error("share needs calibration data", "give some with --calib, or use --repair none");
    }
    EDGESMITH_TRY(find_weights(selected));
    if (weights_.empty()) {
      context_.notes.push_back("there are no float32 weights to share");
      return Change::none;
    }
    EDGESMITH_TRY(repair_ ? share_in_order() : share_all());
    if (shared_ == 0) return Change::none;
    context_.notes.push_back(std::to_string(size_) + " weights in " + std::to_string(shared_) + " tensors take " +
                             std::to_string(bytes_) + " bytes instead of " + std::to_string(4 * size_));
    EDGESMITH_TRY(ops::infer_types(graph_));
    return Change::changed;
  }

 private:
  Status find_weights(const std::vector<bool>& selected) {
    std::vector<const ir::Value*> left;  // skipped by a node that reads them
    for (ir::Node& node : graph_.nodes()) {
      ir::Value* value = quantize::weight_of(node);
      if (value == nullptr || value->constant()->rank() < 2 || value->constant()->size() == 0) continue;
      if (!selected[static_cast<size_t>(node.id())]) {
        left.push_back(value);
        continue;
      }
      const ir::Tensor& tensor = *value->constant();
      if (value->quant() || !reconstruct::holds_numbers(tensor)) {
        const bool shared = tensor.as_palette() != nullptr;
        return usage_error(node.label() + ": its weights are " + (shared ? "shared" : "compressed") + " already",
                           shared ? "start from the model that was not shared, or skip the node"
                                  : "share before quantize, or skip the node");
      }
      if (tensor.dtype() != ir::DType::f32) continue;
      const auto known =
          std::find_if(weights_.begin(), weights_.end(), [&](const Weight& weight) { return weight.value == value; });
      if (known != weights_.end()) {
        known->nodes.push_back(&node);
        continue;
      }
      for (const float number : tensor.to_floats()) {
        if (!std::isfinite(number)) return invalid_error(node.label() + ": its weights hold NaN or infinity");
      }
      weights_.push_back({.value = value, .nodes = {&node}});
    }
    std::erase_if(weights_, [&](const Weight& weight) {
      if (std::find(left.begin(), left.end(), weight.value) == left.end()) return false;
      context_.notes.push_back(weight.first().label() +
                               " is left alone: a node that was skipped reads its weights too");
      return true;
    });
    return {};
  }

  bool can_observe(const Weight& weight) const {
    if (!has_rows(weight.first())) return false;
    return std::all_of(weight.nodes.begin(), weight.nodes.end(),
                       [&](const ir::Node* node) { return same_use(*node, weight.first()); });
  }

  Status share_all() {
    context_.progress->begin("share weights", static_cast<int64_t>(weights_.size()));
    for (size_t w = 0; w < weights_.size(); ++w) {
      share(weights_[w], nullptr);
      context_.progress->update(static_cast<int64_t>(w) + 1);
    }
    context_.progress->end();
    return {};
  }

  // Each weight with statistics through those shared before it; tied ones with those of the first layer that reads
  // them.
  Status share_in_order() {
    std::vector<ir::Node*> layers;
    for (const Weight& weight : weights_) {
      if (can_observe(weight)) {
        layers.push_back(&weight.first());
        continue;
      }
      context_.notes.push_back(weight.first().label() +
                               ": its weights are clustered as they are, because what they meet cannot be collected");
      share(weight, nullptr);
    }
    if (layers.empty()) return {};
    const quantize::Stream stream(*context_.calib, graph_, *context_.pool, *context_.progress);
    return reconstruct::compress_in_order(
        graph_, layers, stream, kRowsPerInput, [&](ir::Node& node, const reconstruct::Gram& gram) {
          const auto weight = std::find_if(weights_.begin(), weights_.end(),
                                           [&](const Weight& candidate) { return &candidate.first() == &node; });
          share(*weight, gram.inputs().num_rows() > 0 ? &gram : nullptr);
          return Status();
        });
  }

  // Moments by block; what is wanted becomes the weights that aim at the float model's output.
  std::vector<Block> prepare(const Weight& weight, const Layout& layout, const reconstruct::Gram& gram,
                             SharedRows& rows) const {
    const quantize::LayerInputs& inputs = gram.inputs();
    const int64_t per_group = rows.outputs / inputs.groups();
    const bool centred = has_bias(weight, layout), aimed = gram.differs() && weight.nodes.size() == 1;
    std::vector<Block> blocks(inputs.blocks().size());
    context_.pool->parallel_for(static_cast<int64_t>(blocks.size()), [&](int64_t index, int) {
      const auto b = static_cast<size_t>(index);
      const quantize::LayerInputs::Block& block = inputs.blocks()[b];
      const auto n = static_cast<size_t>(block.width);
      Block& own = blocks[b];
      own.first_row = block.group * per_group;
      own.rows = per_group;
      own.first = block.first;
      own.width = block.width;
      own.moments = gram.moments(block, centred);
      reconstruct::damp(own.moments, n, kDamping);
      own.factor = reconstruct::factor_moments(own.moments, block.width, 0);
      if (!aimed) return;
      const reconstruct::Aim aim(gram, b, centred, own.moments);
      for (int64_t m = 0; m < own.rows; ++m) {
        aim.shift(m,
                  std::span(rows.wanted).subspan(static_cast<size_t>((own.first_row + m) * rows.width + own.first), n));
      }
    });
    return blocks;
  }

  SharedRows read(const Weight& weight, const Layout& layout) const {
    SharedRows rows{.outputs = layout.outputs, .width = layout.width};
    const std::vector<float> numbers = weight.value->constant()->to_floats();
    rows.wanted.resize(numbers.size());
    const auto zeros = std::count(numbers.begin(), numbers.end(), 0.0F);
    if ((zeros > 0 && bits_ >= kBitsForFewZeros) ||
        static_cast<double>(zeros) > kMaskedShare * static_cast<double>(numbers.size())) {
      rows.zero.resize(numbers.size());
    }
    for (int64_t m = 0; m < layout.outputs; ++m) {
      double largest = 0;
      for (int64_t k = 0; k < layout.width; ++k) {
        const auto at = static_cast<size_t>(m * layout.width + k);
        rows.wanted[at] = numbers[layout.index(m, k)];
        if (!rows.zero.empty()) rows.zero[at] = rows.wanted[at] == 0;
        largest = std::max(largest, std::fabs(rows.wanted[at]));
      }
      rows.scale.push_back(scaled_ && largest > 0 ? largest : 1);
    }
    const int64_t groups = whole_ ? 1 : (layout.outputs + group_ - 1) / group_;
    rows.group = (layout.outputs + groups - 1) / groups;
    return rows;
  }

  static std::vector<double> importance_of(const SharedRows& rows, const std::vector<Block>& blocks) {
    std::vector<double> importance(blocks.empty() ? 0 : rows.wanted.size());
    for (const Block& block : blocks) {
      for (int64_t m = block.first_row; m < block.first_row + block.rows; ++m) {
        for (int64_t i = 0; i < block.width; ++i) {
          importance[static_cast<size_t>(m * rows.width + block.first + i)] =
              block.moments[static_cast<size_t>(i * (block.width + 1))];
        }
      }
    }
    return importance;
  }

  void share(const Weight& weight, const reconstruct::Gram* gram) {
    const Layout layout(weight.first());
    SharedRows rows = read(weight, layout);
    const std::vector<double> original = rows.wanted;
    const std::vector<Block> blocks = gram != nullptr ? prepare(weight, layout, *gram, rows) : std::vector<Block>{};
    cluster_rows(rows, int64_t{1} << bits_, importance_of(rows, blocks), *context_.pool);
    const ir::Tensor& before = *weight.value->constant();
    const int64_t dense_bytes = before.stored_bytes();
    if (stored_bytes(rows) + kLookUpBytes >= dense_bytes) {
      context_.notes.push_back(weight.first().label() + " is left alone: " + std::to_string(before.size()) +
                               " weights are too few for codebooks of their own");
      return;
    }
    double error = blocks.empty() ? 0 : fit_rows(rows, blocks, scaled_, *context_.pool);
    std::vector<double> steps;
    if (int8_) error = round_entries(rows, blocks, kLargestCode, steps, *context_.pool);
    const std::vector<double> bias = gram != nullptr && has_bias(weight, layout)
                                         ? gram->bias_change(original, rows.values())
                                         : std::vector<double>{};
    ir::Tensor tensor = make_tensor(rows, layout, before.dims(), steps);
    record(weight, rows, blocks, error, tensor.stored_bytes());
    ++shared_;
    size_ += before.size();
    bytes_ += tensor.stored_bytes();
    graph_.set_tensor(weight.value->node(), std::move(tensor));
    if (!bias.empty()) reconstruct::change_bias(graph_, without_weights(weight.first(), layout), bias);
  }

  static size_t entries_of(const SharedRows& rows) {
    size_t entries = 1;
    for (const auto& codebook : rows.codebooks) entries = std::max(entries, codebook.size());
    return entries;
  }

  int64_t stored_bytes(const SharedRows& rows) const {
    const auto entries = static_cast<int64_t>(entries_of(rows)),
               codebooks = static_cast<int64_t>(rows.codebooks.size());
    const int64_t scales = !int8_ ? 0 : scaled_ ? 5 * rows.outputs : 5 * codebooks;
    return ir::packed_bytes(static_cast<int64_t>(rows.wanted.size()), entries <= 16 ? 4 : 8) +
           codebooks * entries * (int8_ ? 1 : 4) + scales;
  }

  ir::Tensor make_tensor(const SharedRows& rows, const Layout& layout, const ir::Dims& dims,
                         const std::vector<double>& steps) const {
    const size_t entries = entries_of(rows), codebooks = rows.codebooks.size();
    const bool packed = entries <= 16;
    ir::Tensor indices = ir::Tensor::zeros(packed ? ir::DType::u4 : ir::DType::u8, dims);
    const auto bytes = indices.mutable_bytes();
    for (int64_t m = 0; m < layout.outputs; ++m) {
      for (int64_t k = 0; k < layout.width; ++k) {
        const size_t at = layout.index(m, k);
        const uint8_t index = rows.index[static_cast<size_t>(m * layout.width + k)];
        bytes[packed ? at / 2 : at] |= static_cast<std::byte>(packed ? index << (at % 2 * 4) : index);
      }
    }
    // Codebooks with fewer entries repeat their last.
    std::vector<float> reals;
    std::vector<int8_t> codes;
    for (size_t g = 0; g < codebooks; ++g) {
      const std::vector<double>& codebook = rows.codebooks[g];
      for (size_t q = 0; q < entries; ++q) {
        const double entry = codebook[std::min(q, codebook.size() - 1)];
        reals.push_back(static_cast<float>(entry));
        if (int8_) codes.push_back(static_cast<int8_t>(std::lround(entry / steps[g])));
      }
    }
    const ir::Dims shape = {static_cast<int64_t>(codebooks), static_cast<int64_t>(entries)};
    if (!int8_) return ir::Tensor::palette(std::move(indices), ir::Tensor::of<float>(shape, reals), layout.axis);
    ir::Quant quant{.dtype = ir::DType::i8, .axis = layout.axis, .method = "codebook"};
    for (int64_t m = 0; m < rows.outputs; ++m) {
      quant.scale.push_back(
          static_cast<float>(rows.scale[static_cast<size_t>(m)] * steps[static_cast<size_t>(m / rows.group)]));
    }
    if (whole_ && !scaled_) {
      quant.axis = -1;
      quant.scale.resize(1);
    }
    quant.zero_point.assign(quant.scale.size(), 0);
    return ir::Tensor::affine(
        ir::Tensor::palette(std::move(indices), ir::Tensor::of<int8_t>(shape, codes), layout.axis), std::move(quant));
  }

  void record(const Weight& weight, const SharedRows& rows, const std::vector<Block>& blocks, double error,
              int64_t bytes) {
    LayerRecord entry;
    const ir::Node& node = weight.first();
    entry.node = node.name().empty() ? node.label() : node.name();
    entry.op = ir::op_name(node.op());
    entry.value = node.output().name();
    entry.status = "shared";
    entry.numbers["codebooks"] = static_cast<double>(rows.codebooks.size());
    entry.numbers["entries"] = static_cast<double>(entries_of(rows));
    entry.numbers["bytes"] = static_cast<double>(bytes);
    if (!blocks.empty()) {
      SharedRows nothing = rows;
      std::fill(nothing.scale.begin(), nothing.scale.end(), 0.0);
      const double signal = output_error(nothing, blocks, *context_.pool);
      if (error > 0 && signal > 0) entry.numbers["sqnr_db"] = 10 * std::log10(signal / error);
    }
    context_.layers.push_back(std::move(entry));
  }

  ir::Graph& graph_;
  PassContext& context_;
  const int64_t bits_, group_;
  const bool scaled_, whole_, int8_, repair_;
  bool bad_entries_ = false;
  std::vector<Weight> weights_;
  int64_t shared_ = 0, size_ = 0, bytes_ = 0;
};

Result<Change> run(ir::Graph& graph, const Options& options, PassContext& context) {
  auto selected =
      quantize::select_nodes(graph, list_of(options, "only"), list_of(options, "skip"), list_of(options, "skip_op"));
  if (!selected) return selected.error();
  return Sharer(graph, options, context).run(*selected);
}

}  // namespace

extern const PassInfo share_pass = {
    "share",      "replace weights by indices into small codebooks, fitted to the calibration data",
    options,      run,
    true,         true,
    "repair=none"};

}  // namespace edgesmith::passes

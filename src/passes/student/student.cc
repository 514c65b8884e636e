// SPDX-License-Identifier: Apache-2.0
// depth first, then width; both end in the repair of structured pruning, which fits layer after layer to the teacher.
#include "passes/student/student.h"

#include <algorithm>

#include "edgesmith/base/text.h"
#include "edgesmith/data/preprocess.h"
#include "edgesmith/ops/op_info.h"
#include "passes/prune/structured/refit.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes {
namespace {

constexpr const char* kExample = "write width=0.5, depth=0.5 or both, and weights=fitted, teacher or fresh if you like";

Status read_share(const std::string& word, const std::string& text, double& share) {
  if (!data::parse_number(text, share).ok() || !(share > 0) || share > 1) {
    return usage_error("student: " + word + " is '" + text + "', must be a share above 0 and at most 1", kExample);
  }
  return {};
}

/// A few samples of a data set, at equal distances.
class SomeSamples : public data::Dataset {
 public:
  SomeSamples(const data::Dataset& all, int64_t limit) : all_(all), size_(std::min(all.size(), limit)) {}
  int64_t size() const override { return size_; }
  bool has_labels() const override { return all_.has_labels(); }
  Result<data::Sample> sample(int64_t index) const override { return all_.sample(at(index)); }
  std::string sample_name(int64_t index) const override { return all_.sample_name(at(index)); }
  Result<uint64_t> fingerprint(int64_t index) const override { return all_.fingerprint(at(index)); }
  bool whole_run() const override { return all_.whole_run(); }
  const data::Preprocess& preprocess() const override { return all_.preprocess(); }
  const std::vector<std::pair<std::string, data::Preprocess>>& preprocess_table() const override {
    return all_.preprocess_table();
  }

 private:
  int64_t at(int64_t index) const {
    return static_cast<int64_t>(static_cast<double>(index) * static_cast<double>(all_.size()) /
                                static_cast<double>(size_));
  }
  const data::Dataset& all_;
  int64_t size_;
};

Status run_step(std::string_view name, ir::Graph& graph, const std::vector<std::pair<std::string, std::string>>& given,
                PassContext& context) {
  const PassInfo& pass = *find_pass(name);
  Options options(pass.options());
  for (const auto& [option, text] : given) EDGESMITH_TRY(options.set_text(option, text));
  auto change = run_pass(pass, graph, options, context);
  return change.ok() ? Status() : Status(change.error());
}

// What the teacher keeps of itself, as numbers.
struct Sizes {
  int64_t params = 0, macs = 0;

  explicit Sizes(const ir::Graph& graph) {
    for (const ir::Node& node : graph.nodes()) {
      macs += ops::cost_of(node).macs;
      if (node.is(ir::OpKind::constant) && ir::is_float(node.tensor().dtype())) params += node.tensor().size();
    }
  }
};

// Reshape by a computed target that gives [N, rest] of [N, ...] becomes Flatten: no Shape then reads the channels.
void flatten_reshapes(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (!node.is(ir::OpKind::reshape) || node.input(1)->constant() != nullptr) continue;
    const auto &from = node.input(0)->type().shape, &to = node.output().type().shape;
    if (!from || !to || from->empty() || to->size() != 2 || !(*from)[0].same_as((*to)[0])) continue;
    int64_t rest = 1;
    for (size_t d = 1; d < from->size(); ++d) rest = (*from)[d].known() && rest > 0 ? rest * (*from)[d].value() : -1;
    if (rest <= 0 || !(*to)[1].known() || (*to)[1].value() != rest) continue;
    node.attributes() = ir::Attributes();
    node.attributes().set("axis", int64_t{1});
    graph.truncate_inputs(node, 1);
    graph.set_op(node, ir::OpKind::flatten);
  }
}

class Derivation {
 public:
  Derivation(const ir::Graph& teacher, const StudentOptions& options, const data::Dataset* data, PassContext& context)
      : options_(options), data_(data), context_(context), graph_(teacher.clone()) {}

  Result<ir::Graph> run() {
    EDGESMITH_TRY(check());
    own_ = PassContext{};
    own_.pool = context_.pool;
    own_.progress = context_.progress;
    own_.target = context_.target;
    EDGESMITH_TRY(run_step("simplify", graph_, {}, own_));
    flatten_reshapes(graph_);
    EDGESMITH_TRY(run_step("eliminate-dead-nodes", graph_, {}, own_));
    const Sizes before(graph_);
    std::optional<SomeSamples> some;
    if (fits()) own_.calib = &some.emplace(*data_, kFittedSamples);
    if (options_.depth < 1) EDGESMITH_TRY(drop_blocks());
    if (options_.width < 1) EDGESMITH_TRY(narrow());
    if (options_.weights == StudentWeights::fresh) set_fresh_weights(graph_, context_.random);
    EDGESMITH_TRY(run_step("simplify", graph_, {}, own_));
    const Sizes after(graph_);
    context_.notes.push_back("the student has " + std::to_string(after.params) + " of the teacher's " +
                             std::to_string(before.params) + " parameters and " + std::to_string(after.macs) + " of " +
                             std::to_string(before.macs) + " multiply-adds");
    return std::move(graph_);
  }

 private:
  bool fits() const { return options_.weights == StudentWeights::fitted; }

  Status check() const {
    if (options_.width >= 1 && options_.depth >= 1) {
      return usage_error("student: nothing is to be smaller than the teacher", kExample);
    }
    if (fits() && (data_ == nullptr || data_->size() == 0)) {
      return usage_error("student: weights are fitted to data, and there are none",
                         "give some, or take weights=teacher or weights=fresh");
    }
    for (const ir::Node& node : graph_.nodes()) {
      const ir::Value* weight = quantize::weight_of(node);
      if (weight == nullptr || weight->constant()->encoding() == ir::Encoding::dense) continue;
      return usage_error("student: " + node.label() + " of the teacher has compressed weights",
                         "derive students from the float model");
    }
    return {};
  }

  Status drop_blocks() {
    std::vector<ResidualBlock> blocks = find_residual_blocks(graph_);
    std::vector<ResidualBlock> gone;
    for (size_t first = 0; first < blocks.size();) {
      size_t last = first;
      while (last < blocks.size() && blocks[last].add->output().type() == blocks[first].add->output().type()) ++last;
      const std::vector<bool> kept = kept_blocks(last - first, options_.depth);
      for (size_t i = first; i < last; ++i) {
        if (!kept[i - first]) gone.push_back(blocks[i]);
      }
      first = last;
    }
    if (gone.empty()) {
      return usage_error("student: depth " + shortest(options_.depth) + " drops none of the " +
                             std::to_string(blocks.size()) + " residual blocks with equal input and output shapes",
                         "take a smaller depth, or width");
    }
    const ir::Graph whole = graph_.clone();
    for (const ResidualBlock& block : gone) graph_.replace_all_uses(block.add->output(), *block.shortcut);
    EDGESMITH_TRY(run_step("eliminate-dead-nodes", graph_, {}, own_));
    EDGESMITH_TRY(ops::infer_types(graph_));
    context_.notes.push_back(std::to_string(gone.size()) + " of " + std::to_string(blocks.size()) +
                             " residual blocks with equal shapes are gone");
    return fits() ? fit_behind(gone, whole) : Status();
  }

  // Layers behind a block that is gone learn what they gave before.
  Status fit_behind(const std::vector<ResidualBlock>& gone, const ir::Graph& whole) {
    const ChannelMap map(graph_);
    std::vector<std::vector<int64_t>> kept;
    std::vector<bool> changed;
    for (const ChannelSpace& space : map.spaces()) {
      kept.emplace_back();
      for (int64_t c = 0; c < space.size; ++c) kept.back().push_back(c);
      changed.push_back(std::any_of(gone.begin(), gone.end(), [&](const ResidualBlock& block) {
        return reaches(*block.shortcut, *space.value);
      }));
    }
    const quantize::Stream stream(*own_.calib, graph_, *own_.pool, *own_.progress);
    return prune::refit_in_turn(graph_, whole, prune::find_layers(graph_, map), kept, changed, {}, stream,
                                context_.notes);
  }

  // Whether `to` is `from`, or an activation of it.
  static bool reaches(const ir::Value& from, const ir::Value& to) {
    const ir::Value* value = &to;
    while (value != &from && value->node().num_inputs() == 1 && value->node().input(0) != nullptr) {
      value = value->node().input(0);
    }
    return value == &from;
  }

  Status narrow() {
    std::vector<std::pair<std::string, std::string>> settings = {
        {"channels", shortest(1 - options_.width)}, {"multiple", "1"}, {"budgets", "uniform"}};
    settings.emplace_back("criterion", fits() ? "obs" : "magnitude");
    settings.emplace_back("repair", fits() ? "reconstruct" : "none");
    const Sizes before(graph_);
    const Status status = run_step("prune", graph_, settings, own_);
    if (!status.ok()) return status.error().in("student");
    if (Sizes(graph_).params == before.params) {
      std::string why;
      for (const LayerRecord& layer : own_.layers) {
        if (why.empty() && layer.status == "kept") why = ": of " + layer.node + " " + layer.reason;
      }
      return usage_error("student: width " + shortest(options_.width) + " takes out no channels" + why,
                         "take a smaller width, or depth");
    }
    return {};
  }

  const StudentOptions& options_;
  const data::Dataset* data_;
  PassContext& context_;
  PassContext own_;  // of the passes that do the work: their notes are not the student's
  ir::Graph graph_;
};

}  // namespace

Result<StudentOptions> parse_student(std::string_view text) {
  StudentOptions options;
  static const std::vector<std::string> kWords = {"width", "depth", "weights"};
  static const std::vector<std::string> kWeights = {"fitted", "teacher", "fresh"};
  for (const std::string& part : split(text, ',')) {
    const size_t equals = part.find('=');
    const std::string word = part.substr(0, equals), value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (std::find(kWords.begin(), kWords.end(), word) == kWords.end()) {
      const std::string near = nearest(word, kWords);
      return usage_error("student: unknown word '" + word + "'",
                         near.empty() ? kExample : "did you mean '" + near + "'?");
    }
    if (word == "width") EDGESMITH_TRY(read_share(word, value, options.width));
    if (word == "depth") EDGESMITH_TRY(read_share(word, value, options.depth));
    if (word != "weights") continue;
    const auto found = std::find(kWeights.begin(), kWeights.end(), value);
    if (found == kWeights.end()) {
      return usage_error("student: weights are '" + value + "', must be fitted, teacher or fresh", kExample);
    }
    options.weights = static_cast<StudentWeights>(found - kWeights.begin());
  }
  if (options.width >= 1 && options.depth >= 1) {
    return usage_error("student: nothing is to be smaller than the teacher", kExample);
  }
  return options;
}

Result<ir::Graph> derive_student(const ir::Graph& teacher, const StudentOptions& options, const data::Dataset* data,
                                 PassContext& context) {
  return Derivation(teacher, options, data, context).run();
}

}  // namespace edgesmith::passes

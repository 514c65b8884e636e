// SPDX-License-Identifier: Apache-2.0
// Structured pruning:
//
//   groups     channels that go together, by the operators' channel relations           groups.cc
//   inputs     products of what the readers of those channels meet, in one sweep        observe_rows.cc, row_sums.cc
//   order      which channels of a group go first, and the error of their readers       fit.cc
//   scale      what an error in a group does to the results of the model, by trying it
//   budget     how many channels every group loses                                      budget.cc
//   branches   residual branches compete with them, as a whole                          branches.cc, branch_trials.cc
//   removal    the graph shrinks; readers are refitted to what they gave                remove_channels.cc, fit.cc
//   repair     every layer from there on is refitted to the original, one by one        refit.cc
#include "passes/prune/structured/structured.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "edgesmith/base/text.h"
#include "edgesmith/ops/op_info.h"
#include "passes/channels/remove_channels.h"
#include "passes/convert/half_weights.h"
#include "passes/prune/structured/branch_trials.h"
#include "passes/prune/structured/branches.h"
#include "passes/prune/structured/budget.h"
#include "passes/prune/structured/fit.h"
#include "passes/prune/structured/magnitude.h"
#include "passes/prune/structured/observe_rows.h"
#include "passes/prune/structured/refit.h"
#include "passes/quantize/network_error.h"
#include "passes/quantize/node_form.h"

namespace edgesmith::passes::prune {
namespace {

// Memory for products that are kept at once.
constexpr int64_t kMomentBytes = int64_t{512} << 20;
// Layers with more inputs have products that are too large to keep and factor.
constexpr int64_t kWidest = 8192;
// Samples that groups are tried on, by the work that it takes.
constexpr double kMostTrialWork = 2e12;
constexpr int64_t kFewestTrials = 32, kMostTrials = 256;
// Candidates that are measured side by side.
constexpr size_t kSideBySide = 8;

std::string percent(double share) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f %%", 100 * share);
  return buffer;
}

GroupedConvs grouped_convs(const Options& options) {
  return options.word("groups") == "even" ? GroupedConvs::even : GroupedConvs::whole;
}

class ChannelPruner {
 public:
  ChannelPruner(ir::Graph& graph, const Options& options, PassContext& context)
      : graph_(graph),
        options_(options),
        context_(context),
        grouped_(grouped_convs(options)),
        map_(graph, grouped_),
        layers_(find_layers(graph, map_)) {
    const bool data = context.calib != nullptr && context.calib->size() > 0;
    criterion_ = options.word("criterion");
    if (criterion_ == "auto") criterion_ = data ? "obs" : "magnitude";
    repair_ = options.word("repair") != "none";
    cost_ = options.is_set("macs") ? Cost::macs : options.is_set("params") ? Cost::params : Cost::channels;
    const std::string& budgets = options.word("budgets");
    by_error_ = budgets == "error" || (budgets == "auto" && criterion_ != "magnitude" && cost_ != Cost::channels);
  }

  Result<Change> run(const std::vector<bool>& selected) {
    EDGESMITH_TRY(check(selected));
    groups_ = find_groups(map_, layers_, selected);
    for (ChannelGroup& group : groups_) refuse_wide(group);
    if (options_.flag("branches")) branches_ = find_branches(graph_, map_, layers_, selected);
    const int64_t multiple = options_.is_set("multiple")  ? options_.integer("multiple")
                             : context_.target == nullptr ? 1
                                                          : std::max(context_.target->limits.output_channels,
                                                                     context_.target->limits.input_channels);
    for (const ChannelGroup& group : groups_) {
      const int64_t own = channels_per_unit(group);
      // Heads as wide as a kernel likes go one by one, unless a multiple is asked for.
      const bool wide = own >= multiple && !options_.is_set("multiple");
      steps_.push_back(steps_of(group, wide ? 1 : multiple / std::gcd(multiple, own), options_.is_set("multiple")));
    }
    const bool any = !branches_.empty() ||
                     std::any_of(steps_.begin(), steps_.end(), [](const auto& steps) { return steps.size() > 1; });
    say_what_stays();
    if (!any) {
      context_.notes.push_back("there are no channels that may go" + half_weights_hint(graph_));
      return Change::none;
    }
    original_ = graph_.clone();
    if (needs_data()) EDGESMITH_TRY(observe());
    EDGESMITH_TRY(choose());
    if (std::all_of(removed_.begin(), removed_.end(), [](int64_t count) { return count == 0; })) {
      context_.notes.push_back("no channel was to go");
      return Change::none;
    }
    note_sizes();
    record();
    const std::vector<std::vector<int64_t>> kept = channels_kept();
    EDGESMITH_TRY(cut(graph_, removed_));
    GoneBranches gone(branches_);
    for (size_t b = 0; b < branches_.size(); ++b) {
      if (removed_[groups_.size() + b] > 0) gone.take(graph_, b, layers_, kept_mean(b, kept));
    }
    EDGESMITH_TRY(ops::infer_types(graph_));
    const int64_t zeros = count_zeros();
    if (repair_) EDGESMITH_TRY(repair(kept, gone));
    if (const int64_t filled = zeros - count_zeros(); filled > 0) {
      context_.notes.push_back(std::to_string(filled) +
                               " zeros of weights were filled by refitting: take out channels first, weights after");
    }
    EDGESMITH_TRY(ops::infer_types(graph_));
    return Change::changed;
  }

 private:
  bool needs_data() const { return repair_ || criterion_ != "magnitude"; }

  Status check(const std::vector<bool>& selected) {
    for (const ir::Node& node : graph_.nodes()) {
      const ir::Value* weight = quantize::weight_of(node);
      if (weight == nullptr || !selected[static_cast<size_t>(node.id())]) continue;
      if (weight->quant() || weight->constant()->encoding() != ir::Encoding::dense) {
        return usage_error(node.label() + ": its weights are compressed already",
                           "prune before quantize, or skip the node");
      }
    }
    for (const MixLayer& layer : layers_) {
      for (const float number : layer.node->input(layer.mixing.weight)->constant()->to_floats()) {
        if (!std::isfinite(number)) return invalid_error(layer.node->label() + ": its weights hold NaN or infinity");
      }
    }
    if (options_.flag("branches") && (!by_error_ || !repair_ || cost_ == Cost::channels)) {
      return usage_error("branches go by what they cost when others make up for them",
                         "use --macs or --params, and leave --budgets and --repair as they are");
    }
    if (options_.is_set("time") && !by_error_) {
      return usage_error("time is shared out by error", "leave --budgets and --criterion as they are");
    }
    if (criterion_ == "lamp") {
      return usage_error("lamp compares single weights, not channels", "use --criterion obs, wanda or magnitude");
    }
    if (by_error_ && criterion_ == "magnitude") {
      return usage_error("magnitudes are no errors: layers cannot share a budget by them",
                         "use --budgets uniform, or --criterion obs");
    }
    if (needs_data() && (context_.calib == nullptr || context_.calib->size() == 0)) {
      return usage_error("prune needs calibration data",
                         "give some with --calib, or use --repair none --criterion magnitude");
    }
    return {};
  }

  // The fewest channels that the layers lose with a unit.
  int64_t channels_per_unit(const ChannelGroup& group) const {
    int64_t fewest = 0;
    for (const int maker : group.makers) {
      for (const auto& [space, count] : group.spaces) {
        if (space == layers_[static_cast<size_t>(maker)].output_space)
          fewest = fewest == 0 ? count : std::min(fewest, count);
      }
    }
    return std::max<int64_t>(1, fewest);
  }

  // Zeros among the weights of the layers.
  int64_t count_zeros() const {
    int64_t zeros = 0;
    for (const ir::Node& node : graph_.nodes()) {
      const ir::Value* weight = quantize::weight_of(node);
      if (weight == nullptr) continue;
      const std::vector<float> numbers = weight->constant()->to_floats();
      zeros += std::count(numbers.begin(), numbers.end(), 0.0F);
    }
    return zeros;
  }

  void refuse_wide(ChannelGroup& group) {
    for (const int reader : group.readers) {
      const MixLayer& layer = layers_[static_cast<size_t>(reader)];
      if (!needs_data() || !group.reason.empty() || inputs_of_row(layer) <= kWidest) continue;
      group.reason = layer.node->label() + " reads " + std::to_string(inputs_of_row(layer)) +
                     " numbers at once, more than the " + std::to_string(kWidest) + " that can be refitted";
    }
  }

  void say_what_stays() {
    for (const ChannelGroup& group : groups_) {
      if (group.reason.empty() || group.name.empty()) continue;
      LayerRecord entry;
      entry.node = group.name;
      entry.status = "kept";
      const int64_t channels = static_cast<int64_t>(group.units.size()) * channels_per_unit(group);
      entry.reason = "its " + std::to_string(channels) + " channels stay: " + group.reason;
      context_.layers.push_back(std::move(entry));
    }
  }

  quantize::Stream stream(int64_t limit = 0) const {
    return quantize::Stream(*context_.calib, original_, *context_.pool, *context_.progress, limit);
  }

  // Sums for all layers that read channels that may go.
  Status observe() {
    sums_.resize(layers_.size());
    std::vector<bool> reads(layers_.size(), false);
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (const int reader : groups_[g].readers) {
        if (steps_[g].size() > 1) reads[static_cast<size_t>(reader)] = true;
      }
    }
    for (size_t first = 0; first < layers_.size();) {
      std::vector<WantedRows> wanted;
      std::vector<size_t> index;
      int64_t bytes = 0;
      for (; first < layers_.size(); ++first) {
        if (!reads[first]) continue;
        const int64_t width = inputs_of_row(layers_[first]) + 1;
        bytes += width * width * 8;
        if (bytes > kMomentBytes && !wanted.empty()) break;
        wanted.emplace_back();
        wanted.back().layer = &layers_[first];
        index.push_back(first);
      }
      if (wanted.empty()) break;
      EDGESMITH_TRY(observe_rows(graph_, nullptr, wanted, stream()));
      for (size_t w = 0; w < wanted.size(); ++w) sums_[index[w]] = std::move(wanted[w].sums);
    }
    return {};
  }

  bool observed(size_t layer) const { return layer < sums_.size() && sums_[layer].width() > 0; }

  std::vector<double> moments(size_t layer, const Linear& linear) const {
    const bool centred = linear.has_bias && !layers_[layer].node->is(ir::OpKind::conv_transpose);
    return damped_moments(sums_[layer], linear, centred);
  }

  // The numbers of a row that go with each unit.
  std::vector<std::vector<int64_t>> columns_of(const ChannelGroup& group, const MixLayer& layer, int64_t step) const {
    const ChannelSpace& space = map_.spaces()[static_cast<size_t>(layer.input_space)];
    std::vector<std::vector<int64_t>> columns(group.units.size());
    for (size_t u = 0; u < group.units.size(); ++u) {
      for (const int channel : group.units[u]) {
        const int64_t c = channel - space.first;
        for (int64_t i = 0; c >= 0 && c < space.size && i < step; ++i) columns[u].push_back(c * step + i);
      }
    }
    return columns;
  }

  UnitTrace trace(const ChannelGroup& group) const {
    if (criterion_ == "magnitude") return trace_by_magnitude(group, map_, layers_);
    std::vector<Reader> readers;
    for (const int l : group.readers) {
      const MixLayer& layer = layers_[static_cast<size_t>(l)];
      Reader reader;
      reader.linear = read_linear(layer);
      reader.moments = moments(static_cast<size_t>(l), reader.linear);
      reader.columns = columns_of(group, layer, reader.linear.step);
      const double power = output_power(reader.linear, reader.moments, *context_.pool);
      reader.scale = power > 0 ? 1 / power : 0;
      readers.push_back(std::move(reader));
    }
    return trace_units(std::move(readers), group.units.size(), criterion_, *context_.pool);
  }

  Status choose() {
    context_.progress->begin("rank channels", static_cast<int64_t>(groups_.size()));
    for (size_t g = 0; g < groups_.size(); ++g) {
      UnitTrace none;
      none.errors.assign(groups_[g].units.size() + 1, 0.0);
      traces_.push_back(steps_[g].size() > 1 ? trace(groups_[g]) : std::move(none));
      context_.progress->update(static_cast<int64_t>(g) + 1);
    }
    context_.progress->end();
    if (by_error_) EDGESMITH_TRY(scale_errors());
    const CostModel model = cost_model(cost_), time = cost_model(Cost::time, options_.integer("lanes"));
    const std::vector<int64_t> none(groups_.size() + branches_.size(), 0);
    const double whole = model.of(none);
    const char* option = cost_ == Cost::macs ? "macs" : cost_ == Cost::params ? "params" : "channels";
    const double share = cost_ == Cost::channels ? 1 - options_.real(option) : options_.real(option);
    if (cost_ == Cost::channels && !by_error_) {
      removed_ = lose_share(steps_, groups_, options_.real(option));
      removed_.resize(none.size(), 0);
      return {};
    }
    std::vector<Limit> limits = {{&model, share * whole}};
    if (options_.is_set("time")) limits.push_back({&time, options_.real("time") * time.of(none)});
    if (by_error_) {
      EDGESMITH_TRY(share_by_measured_error(limits));
    } else {
      removed_ = share_evenly(model, steps_, groups_, limits[0].most);
    }
    if (!removed_.empty()) return removed_.resize(none.size(), 0), Status();
    std::vector<int64_t> all;
    for (const auto& steps : steps_) all.push_back(steps.back());
    all.resize(none.size(), 1);
    if (options_.is_set("time") && model.of(all) <= share * whole) {
      return usage_error("time " + shortest(options_.real("time")) + " cannot be reached: about " +
                             percent(time.of(all) / time.of(none)) + " stays by the cost model",
                         "ask for less");
    }
    return usage_error(std::string(option) + " " + shortest(options_.real(option)) + " cannot be reached: at least " +
                           percent(model.of(all) / whole) + " stays with the channels that may go",
                       "ask for less, or see the report for what keeps the others");
  }

  // Samples that so many candidates are tried on.
  int64_t trial_samples(size_t candidates) const {
    double macs = 0;
    for (const ir::Node& node : original_.nodes()) macs += static_cast<double>(ops::cost_of(node).macs);
    const double most = kMostTrialWork / std::max(1.0, macs * static_cast<double>(candidates + 1));
    return std::clamp(static_cast<int64_t>(most), kFewestTrials, kMostTrials);
  }

  // What an error of a group does to the results: tried with about the share that all are to lose.
  Status scale_errors() {
    const double share = options_.is_set("channels") ? options_.real("channels")
                                                     : 1 - options_.real(cost_ == Cost::macs ? "macs" : "params");
    const std::vector<int64_t> wanted = lose_share(steps_, groups_, share);
    std::vector<size_t> tried;
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (steps_[g].size() > 1) tried.push_back(g);
    }
    const quantize::Stream samples = stream(trial_samples(tried.size()));
    quantize::OutputErrors errors(original_, samples);
    for (size_t first = 0; first < tried.size(); first += kSideBySide) {
      std::vector<ir::Graph> graphs;
      std::vector<const ir::Graph*> candidates;
      std::vector<int64_t> counts;
      const size_t last = std::min(tried.size(), first + kSideBySide);
      for (size_t i = first; i < last; ++i) {
        std::vector<int64_t> removed(groups_.size(), 0);
        removed[tried[i]] = counts.emplace_back(std::max(wanted[tried[i]], steps_[tried[i]][1]));
        graphs.push_back(original_.clone());
        EDGESMITH_TRY(cut(graphs.back(), removed));
      }
      for (const ir::Graph& graph : graphs) candidates.push_back(&graph);
      auto measured = errors.measure(candidates);
      if (!measured) return measured.error();
      for (size_t i = first; i < last; ++i) {
        UnitTrace& trace = traces_[tried[i]];
        const double expected = trace.errors[static_cast<size_t>(counts[i - first])];
        if (!(expected > 0)) continue;
        for (double& error : trace.errors) error *= (*measured)[i - first] / expected;
      }
    }
    return {};
  }

  // Groups and branches compete. Of the branches that are to go the cheapest goes, and what the others cost beside it
  // is measured again: two neighbours cost more than the sum of both.
  Status share_by_measured_error(const std::vector<Limit>& limits) {
    Removals removals = {steps_, traces_, {}};
    removals.steps.resize(groups_.size() + branches_.size(), {0, 1});
    removals.traces.resize(removals.steps.size());
    for (size_t p = 0; p < removals.steps.size(); ++p) removals.inside.push_back(branches_around(p));
    std::vector<int64_t> held(removals.steps.size(), 0);
    if (!branches_.empty()) {
      auto means = branch_means(original_, map_, branches_, stream());
      if (!means) return means.error();
      means_ = std::move(*means);
    }
    ir::Graph now = original_.clone();
    GoneBranches gone(branches_);
    const quantize::Stream samples = stream(trial_samples(branches_.size()));
    quantize::OutputErrors errors(original_, samples);
    for (double error = 0;;) {
      std::vector<size_t> candidates;
      for (size_t b = 0; b < branches_.size(); ++b) {
        const std::vector<size_t>& around = removals.inside[groups_.size() + b];
        const bool moot = std::any_of(around.begin(), around.end(), [&](size_t place) { return held[place] > 0; });
        if (!gone.is_gone(b) && !moot) candidates.push_back(b);
      }
      auto graphs = without_each(now, original_, gone, candidates, layers_, means_, stream());
      if (!graphs) return graphs.error();
      std::vector<double> measured;
      for (size_t first = 0; first < graphs->size(); first += kSideBySide) {
        std::vector<const ir::Graph*> some;
        for (size_t i = first; i < std::min(graphs->size(), first + kSideBySide); ++i) some.push_back(&(*graphs)[i]);
        auto part = errors.measure(some);
        if (!part) return part.error();
        measured.insert(measured.end(), part->begin(), part->end());
      }
      for (size_t c = 0; c < candidates.size(); ++c) {
        removals.traces[groups_.size() + candidates[c]].errors = {0.0, std::max(0.0, measured[c] - error)};
      }
      removed_ = share_by_error(limits, removals, held);
      if (removed_.empty()) return {};
      std::optional<size_t> best;
      for (size_t c = 0; c < candidates.size(); ++c) {
        if (removed_[groups_.size() + candidates[c]] > 0 && (!best || measured[c] < measured[*best])) best = c;
      }
      if (!best) return {};
      held[groups_.size() + candidates[*best]] = 1;
      now = std::move((*graphs)[*best]);
      const bool by_mean = gone.stand_in(candidates[*best], layers_) < 0;
      gone.add(candidates[*best], by_mean);
      error = measured[*best];
    }
  }

  // Places of the branches that take a group or branch along.
  std::vector<size_t> branches_around(size_t place) const {
    std::vector<size_t> around;
    for (size_t b = 0; b < branches_.size(); ++b) {
      const Branch& branch = branches_[b];
      bool inside = place != groups_.size() + b;
      if (place < groups_.size()) {
        for (const auto& [space, count] : groups_[place].spaces)
          inside = inside && branch.spaces[static_cast<size_t>(space)];
      } else if (inside) {
        const int add = branches_[place - groups_.size()].add;
        inside = std::find(branch.nodes.begin(), branch.nodes.end(), add) != branch.nodes.end();
      }
      if (inside) around.push_back(groups_.size() + b);
    }
    return around;
  }

  CostModel cost_model(Cost cost, int64_t lanes = 1) const {
    return CostModel(graph_, map_, groups_, branches_, cost, lanes);
  }

  // The mean of a branch's result, of the channels that are left.
  ir::Tensor kept_mean(size_t branch, const std::vector<std::vector<int64_t>>& kept) const {
    const ir::Tensor& mean = means_[branch];
    const auto numbers = mean.data<float>();
    std::vector<float> left;
    for (const int64_t channel : kept[static_cast<size_t>(branches_[branch].space)])
      left.push_back(numbers[static_cast<size_t>(channel)]);
    ir::Dims dims = mean.dims();
    dims[0] = static_cast<int64_t>(left.size());
    return ir::Tensor::of<float>(dims, left);
  }

  // By channel id.
  std::vector<bool> channels_gone(const std::vector<int64_t>& removed) const {
    std::vector<bool> gone(static_cast<size_t>(map_.num_channels()), false);
    for (size_t g = 0; g < groups_.size(); ++g) {
      for (int64_t i = 0; i < removed[g]; ++i) {
        for (const int channel : groups_[g].units[traces_[g].order[static_cast<size_t>(i)]])
          gone[static_cast<size_t>(channel)] = true;
      }
    }
    return gone;
  }

  // Takes channels out of this graph or a copy of it; what reads them is refitted to what it gave.
  Status cut(ir::Graph& graph, const std::vector<int64_t>& removed) const {
    const ChannelMap map(graph, grouped_);
    const std::vector<MixLayer> layers = find_layers(graph, map);
    const std::vector<bool> gone = channels_gone(removed);
    for (size_t l = 0; repair_ && l < layers.size(); ++l) {
      if (layers[l].input_space < 0 || !observed(l)) continue;
      const ChannelSpace& space = map.spaces()[static_cast<size_t>(layers[l].input_space)];
      Linear linear = read_linear(layers[l]);
      std::vector<bool> kept;
      for (int64_t c = 0; c < space.size; ++c) {
        kept.insert(kept.end(), static_cast<size_t>(linear.step), !gone[static_cast<size_t>(space.first + c)]);
      }
      if (std::find(kept.begin(), kept.end(), false) == kept.end()) continue;
      const Linear before = linear;
      refit_kept(linear, kept, moments(l, linear), *context_.pool);
      write_linear(graph, layers[l], linear, mean_change(layers[l], before, linear, sums_[l]));
    }
    return remove_channels(graph, map, gone);
  }

  // By space: the channels that are left.
  std::vector<std::vector<int64_t>> channels_kept() const {
    const std::vector<bool> gone = channels_gone(removed_);
    std::vector<std::vector<int64_t>> kept;
    for (const ChannelSpace& space : map_.spaces()) {
      kept.emplace_back();
      for (int64_t c = 0; c < space.size; ++c) {
        if (!gone[static_cast<size_t>(space.first + c)]) kept.back().push_back(c);
      }
    }
    return kept;
  }

  Status repair(const std::vector<std::vector<int64_t>>& kept, const GoneBranches& gone) {
    std::vector<bool> changed;
    for (size_t s = 0; s < kept.size(); ++s)
      changed.push_back(static_cast<int64_t>(kept[s].size()) != map_.spaces()[s].size);
    return refit_in_turn(graph_, original_, layers_in(graph_, layers_), kept, changed, gone, stream(), context_.notes);
  }

  void note_sizes() {
    const CostModel macs = cost_model(Cost::macs), params = cost_model(Cost::params);
    const std::vector<int64_t> none(removed_.size(), 0);
    int64_t channels = 0, gone = 0;
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (!groups_[g].reason.empty()) continue;
      channels += static_cast<int64_t>(groups_[g].units.size());
      gone += removed_[g];
    }
    const auto text = [&](const CostModel& model) {
      return std::to_string(std::llround(model.of(removed_))) + " of " + std::to_string(std::llround(model.of(none))) +
             " (" + percent(model.of(removed_) / model.of(none)) + ")";
    };
    if (!branches_.empty()) {
      const auto first = removed_.begin() + static_cast<std::ptrdiff_t>(groups_.size());
      context_.notes.push_back(std::to_string(std::count(first, removed_.end(), 1)) + " of " +
                               std::to_string(branches_.size()) + " residual branches are gone");
    }
    context_.notes.push_back(std::to_string(gone) + " of " + std::to_string(channels) +
                             " channels that may go are gone (coupled ones count once)");
    context_.notes.push_back("multiply-adds left: " + text(macs) + ", parameters left: " + text(params));
    if (options_.is_set("time")) {
      const CostModel time = cost_model(Cost::time, options_.integer("lanes"));
      context_.notes.push_back("time left by the cost model: " + percent(time.of(removed_) / time.of(none)));
    }
  }

  void record() {
    const std::vector<bool> gone = channels_gone(removed_);
    const auto left = [&](int index) {
      const ChannelSpace& space = map_.spaces()[static_cast<size_t>(index)];
      int64_t count = 0;
      for (int64_t c = 0; c < space.size; ++c) count += gone[static_cast<size_t>(space.first + c)] ? 0 : 1;
      return count;
    };
    std::vector<bool> taken(static_cast<size_t>(graph_.num_node_ids()), false);
    for (size_t b = 0; b < branches_.size(); ++b) {
      for (const int node : branches_[b].nodes)
        taken[static_cast<size_t>(node)] = taken[static_cast<size_t>(node)] || removed_[groups_.size() + b] > 0;
    }
    for (const MixLayer& layer : layers_) {
      if (taken[static_cast<size_t>(layer.node->id())]) {
        LayerRecord entry;
        entry.node = layer.node->name().empty() ? layer.node->label() : layer.node->name();
        entry.op = ir::op_name(layer.node->op());
        entry.value = layer.node->output().name();
        entry.status = "removed";
        entry.reason = "its residual branch is gone";
        entry.numbers = {{"macs_before", static_cast<double>(ops::cost_of(*layer.node).macs)}, {"macs_after", 0.0}};
        context_.layers.push_back(std::move(entry));
        continue;
      }
      const int64_t outputs = left(layer.output_space);
      const int64_t inputs = layer.input_space < 0 ? layer.inputs : left(layer.input_space);
      if (outputs == layer.outputs && inputs == layer.inputs) continue;
      LayerRecord entry;
      entry.node = layer.node->name().empty() ? layer.node->label() : layer.node->name();
      entry.op = ir::op_name(layer.node->op());
      entry.value = layer.node->output().name();
      entry.status = "pruned";
      entry.reason = std::to_string(layer.inputs) + " to " + std::to_string(layer.outputs) + " channels became " +
                     std::to_string(inputs) + " to " + std::to_string(outputs);
      const auto macs = static_cast<double>(ops::cost_of(*layer.node).macs);
      const double share = static_cast<double>(inputs * outputs) / static_cast<double>(layer.inputs * layer.outputs);
      entry.numbers = {{"channels_before", static_cast<double>(layer.outputs)},
                       {"channels_after", static_cast<double>(outputs)},
                       {"input_channels_before", static_cast<double>(layer.inputs)},
                       {"input_channels_after", static_cast<double>(inputs)},
                       {"macs_before", macs},
                       {"macs_after", macs * share}};
      context_.layers.push_back(std::move(entry));
    }
  }

  ir::Graph& graph_;
  const Options& options_;
  PassContext& context_;
  GroupedConvs grouped_;
  ChannelMap map_;
  std::vector<MixLayer> layers_;
  std::vector<ChannelGroup> groups_;
  std::vector<std::vector<int64_t>> steps_;  // by group: units that may go
  std::vector<UnitTrace> traces_;            // by group
  std::vector<Branch> branches_;             // that may go; empty when none is asked for
  std::vector<ir::Tensor> means_;            // by branch
  std::vector<int64_t> removed_;             // by group: units that go; then by branch: 1 when it goes
  std::vector<RowSums> sums_;                // by layer; empty where nothing was observed
  ir::Graph original_;
  std::string criterion_;
  bool repair_ = true, by_error_ = true;
  Cost cost_ = Cost::channels;
};

}  // namespace

bool asks_for_channels(const Options& options) {
  return options.is_set("channels") || options.is_set("macs") || options.is_set("params");
}

Result<Change> prune_channels(ir::Graph& graph, const Options& options, PassContext& context,
                              const std::vector<bool>& selected) {
  return ChannelPruner(graph, options, context).run(selected);
}

}  // namespace edgesmith::passes::prune

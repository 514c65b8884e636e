// SPDX-License-Identifier: Apache-2.0
// Which nodes of a quantized model compute on codes, and which are faster left on floats.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/ir/graph.h"
#include "edgesmith/passes/costs.h"
#include "edgesmith/passes/pass.h"
#include "edgesmith/targets/target.h"

namespace edgesmith::passes {

/// What every node costs in both precisions, by node id, in microseconds.
struct NodePrices {
  std::vector<double> float_us, int8_us;
  std::vector<int> float_inside;  ///< the node whose float kernel does this one too, or -1
  ConversionTime quantize, dequantize;
  std::optional<double> float_model_us, int8_model_us;  ///< whole runs, where they were measured
  struct Mixture {
    std::vector<int> floats;  ///< ids of nodes that may choose and are floats
    double us = 0;            ///< of a whole run
  };
  std::vector<Mixture> mixtures;  ///< that were measured
};

/// By what was measured; for `graph`, the int8 model. Errors: invalid, when a node that may choose has no times.
Result<NodePrices> prices_by_costs(const ir::Graph& graph, const targets::Target& target, const Costs& costs);
/// By the cost model of the target's profile. Errors: unsupported, when the profile has no clock.
Result<NodePrices> prices_by_model(const ir::Graph& graph, const targets::Target& target);

/// A node that may choose, with the clamps after it.
struct PrecisionNode {
  int id = -1;
  std::string node, op;            ///< key (node_keys) and ONNX operator
  std::vector<std::string> fused;  ///< keys of the clamps
  bool int8 = true;                ///< what was chosen
  double int8_us = 0, float_us = 0;
  double other_plan_us = 0;  ///< what the model would take if only this node went the other way
  double error = -1;         ///< its part of the results' noise to signal on codes; -1: not measured
  std::string why;
};

enum class PrecisionKind { all_int8, all_float, mixed };

struct PrecisionPlan {
  PrecisionKind kind = PrecisionKind::all_int8;
  std::vector<PrecisionNode> nodes;  ///< in graph order
  /// The model as chosen, and with every node in int8 or in float.
  double predicted_us = 0, int8_us = 0, float_us = 0;
  double mixed_us = 0;          ///< of the best mixed plan by the nodes' times, chosen or not
  std::optional<double> error;  ///< noise to signal of the results against the float model's, where it was measured
  std::string why;              ///< of the whole, one sentence
};

/// What computing on codes costs in accuracy.
struct PrecisionErrors {
  std::vector<double> of_node;  ///< by node id: part of the results' noise to signal
  double most = 0;              ///< what the parts of a plan may add up to
};

/// The fastest plan: exact for the given prices, by a minimum cut. A mixed plan is taken only where it is predicted to
/// be clearly faster than all plans that were measured, or was measured itself to be faster than the others. With
/// `errors` only plans whose errors add up to no more than they may: of the plans that some price of errors makes the
/// cheapest, the fastest one. Types must be inferred.
PrecisionPlan choose_precision(const ir::Graph& graph, const targets::Target& target, const NodePrices& prices,
                               const PrecisionErrors* errors = nullptr);

/// As choose_precision, for results within `sqnr_db` (dB) of those of the float model on calibration samples
/// (context.calib, never null), which are measured: for every node alone on codes, and for the plan as a whole.
/// `original` is the float model. Errors: those of the runs and of simplifying it.
Result<PrecisionPlan> choose_precision_within(const ir::Graph& graph, const ir::Graph& original,
                                              const NodePrices& prices, double sqnr_db, PassContext& context);

/// Whether some weight of `original`, simplified, is one that codes of `graph` were made of, so that set_float() takes
/// it. Also true where `graph` has no weights on codes. Errors: those of simplifying it.
Result<bool> has_weights_of(const ir::Graph& graph, const targets::Target& target, const ir::Graph& original);

/// What set_float did with the constants of the nodes.
struct FloatConstants {
  int original = 0, dequantized = 0;  ///< weight tensors
};

/// Turns the nodes of `plan` that are not int8 back to floats. Their constants are those of `original` (may be null),
/// simplified, where it has the same node with numbers that round to these codes, else the numbers that the codes stand
/// for. Errors: those of simplifying it.
Result<FloatConstants> set_float(ir::Graph& graph, const targets::Target& target, const PrecisionPlan& plan,
                                 const ir::Graph* original);

}  // namespace edgesmith::passes

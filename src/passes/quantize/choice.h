// SPDX-License-Identifier: Apache-2.0
// Choosing the range of every scale, and whether to correct biases, by measured error.
#pragma once

#include <string>
#include <vector>

#include "edgesmith/base/result.h"
#include "edgesmith/targets/target.h"
#include "passes/quantize/assignment.h"
#include "passes/quantize/observe.h"
#include "passes/quantize/plan.h"
#include "passes/quantize/reference_outputs.h"
#include "passes/quantize/stream.h"

namespace edgesmith::passes::quantize {

/// Both forms of the weights of one layer (or of layers that share a constant).
struct LayerGroup {
  std::vector<ir::Node*> nodes;
  WeightCodes plain, corrected;  ///< without and with a bias that makes up for the mean error of rounding
};

struct ChoiceSettings {
  std::string calibrator = "auto";
  CalibratorSettings calibration;
  ir::DType dtype = ir::DType::u8;
  bool correct_bias = true;
  bool float_bias = false;  ///< biases stay float
};

/// A calibrator that beat min-max for one set, and by how much in the results of the set's readers.
struct Win {
  size_t set = 0;
  std::string calibrator;
  double gain_db = 0;
};

struct Choice {
  Assignment assignment;
  bool corrected = false;     ///< bias correction is in
  double error_db = 0;        ///< SQNR of the outputs on calibration data (NaN when there was nothing to choose)
  double minmax_db = 0;       ///< the same with min-max (or the calibrator asked for) everywhere
  double uncorrected_db = 0;  ///< the same without bias correction (NaN when not measured)
  std::vector<Win> wins;      ///< in the assignment
};

/// Whether any calibrator in question looks at histograms, and which sets need theirs for their candidates.
bool uses_histograms(const ChoiceSettings& settings);
std::vector<bool> need_histograms(const Plan& plan, const ChoiceSettings& settings);

/// The ranges that the calibrators in question give each set: candidates[set][0] is min-max under "auto".
std::vector<std::vector<ir::Quant>> find_candidates(const Plan& plan, const std::vector<Observations>& observed,
                                                    const ChoiceSettings& settings, ThreadPool& pool);

/// Under "auto" a calibrator other than min-max is taken for a set where it lowers the error of the set's readers, and
/// the whole choice only if the network's outputs then are no further from the float ones than with min-max everywhere;
/// bias correction likewise. All on calibration samples; `reference` may hold the float results for `comparison`.
/// Errors: those of the runs.
Result<Choice> choose(const ir::Graph& graph, const Plan& plan, const std::vector<std::vector<ir::Quant>>& candidates,
                      const std::vector<Observations>& observed, const std::vector<LayerGroup>& layers,
                      const ChoiceSettings& settings, const Stream& probes, const Stream& comparison,
                      const ReferenceOutputs& reference);

}  // namespace edgesmith::passes::quantize

// SPDX-License-Identifier: Apache-2.0
// What a step found and what an evaluation measured, as bytes and back to the last bit.
#pragma once

#include <string>
#include <vector>

#include "base/binary.h"
#include "edgesmith/refine/measure.h"
#include "edgesmith/refine/run_report.h"

namespace edgesmith::refine {

void store_texts(const std::vector<std::string>& texts, BinaryWriter& out);
void restore_texts(BinaryReader& in, std::vector<std::string>& texts);

/// Of a step, what its pass left: notes, layers, pictures of weights, curves, measured numbers.
void store_findings(const StepReport& report, BinaryWriter& out);
void restore_findings(BinaryReader& in, StepReport& report);
/// Moves these members of `found` into `report`.
void take_findings(StepReport found, StepReport& report);

void store_evaluation(const Evaluation& evaluation, BinaryWriter& out);
/// False for a metric that this program does not know.
bool restore_evaluation(BinaryReader& in, Evaluation& evaluation);

}  // namespace edgesmith::refine

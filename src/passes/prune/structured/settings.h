// SPDX-License-Identifier: Apache-2.0
// What the options of `prune` ask for where channels are to go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "edgesmith/passes/pass.h"
#include "passes/prune/structured/budget.h"

namespace edgesmith::passes::prune {

/// The options, with what "auto" stands for.
struct ChannelSettings {
  GroupedConvs grouped = GroupedConvs::whole;
  std::string criterion;
  bool repair = true;
  Cost cost = Cost::channels;
  const char* option = "channels";  ///< that names the cost
  double asked = 0;                 ///< its value: the share of channels that goes, of other costs that stays
  std::optional<double> time;       ///< share of Cost::time that stays
  int64_t lanes = 1;                ///< of that
  bool by_error = true;             ///< groups share the budget by measured error
  bool branches = false;            ///< residual branches may go too
  std::optional<int64_t> multiple;

  double left() const { return cost == Cost::channels ? 1 - asked : asked; }
  double lost() const { return cost == Cost::channels ? asked : 1 - asked; }
  bool needs_data() const { return repair || criterion != "magnitude"; }
};
ChannelSettings read_channel_settings(const Options& options, bool have_data);

/// Errors: usage, where they contradict each other or need data that are not there.
Status check_channel_settings(const ChannelSettings& settings, bool have_data);

}  // namespace edgesmith::passes::prune

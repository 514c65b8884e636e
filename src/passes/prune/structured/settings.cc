// SPDX-License-Identifier: Apache-2.0
#include "passes/prune/structured/settings.h"

namespace edgesmith::passes::prune {

ChannelSettings read_channel_settings(const Options& options, bool have_data) {
  ChannelSettings settings;
  if (options.word("groups") == "even") settings.grouped = GroupedConvs::even;
  settings.criterion = options.word("criterion");
  if (settings.criterion == "auto") settings.criterion = have_data ? "obs" : "magnitude";
  settings.repair = options.word("repair") != "none";
  if (options.is_set("macs")) {
    settings.cost = Cost::macs;
    settings.option = "macs";
  } else if (options.is_set("params")) {
    settings.cost = Cost::params;
    settings.option = "params";
  }
  settings.asked = options.real(settings.option);
  if (options.is_set("time")) settings.time = options.real("time");
  settings.lanes = options.integer("lanes");
  const std::string& budgets = options.word("budgets");
  settings.by_error =
      budgets == "error" || (budgets == "auto" && settings.criterion != "magnitude" && settings.cost != Cost::channels);
  settings.branches = options.flag("branches");
  if (options.is_set("multiple")) settings.multiple = options.integer("multiple");
  return settings;
}

Status check_channel_settings(const ChannelSettings& settings, bool have_data) {
  if (settings.branches && (!settings.by_error || !settings.repair || settings.cost == Cost::channels)) {
    return usage_error("branches go by what they cost when others make up for them",
                       "use --macs or --params, and leave --budgets and --repair as they are");
  }
  if (settings.time && !settings.by_error) {
    return usage_error("time is shared out by error", "leave --budgets and --criterion as they are");
  }
  if (settings.criterion == "lamp") {
    return usage_error("lamp compares single weights, not channels", "use --criterion obs, wanda or magnitude");
  }
  if (settings.by_error && settings.criterion == "magnitude") {
    return usage_error("magnitudes are no errors: layers cannot share a budget by them",
                       "use --budgets uniform, or --criterion obs");
  }
  if (settings.needs_data() && !have_data) {
    return usage_error("prune needs calibration data",
                       "give some with --calib, or use --repair none --criterion magnitude");
  }
  return {};
}

}  // namespace edgesmith::passes::prune

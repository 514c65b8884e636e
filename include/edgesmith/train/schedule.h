// SPDX-License-Identifier: Apache-2.0
// How the learning rate changes while a run goes on.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace edgesmith::train {

/// One shape of the learning rate over a run.
struct ScheduleInfo {
  std::string_view name;
  std::string_view summary;
  /// The factor on the learning rate after a share in [0, 1) of the steps that follow the warm-up.
  double (*factor)(double share);
};

std::span<const ScheduleInfo> all_schedules();
/// Null where there is none of that name.
const ScheduleInfo* find_schedule(std::string_view name);

/// The factor on the learning rate at `step` (from 0) of `total`: rising in equal parts over the first `warmup` steps,
/// then what the schedule says of the rest.
double rate_factor(const ScheduleInfo& schedule, int64_t step, int64_t total, int64_t warmup);

/// Steps of warm-up for a run of `total`: a twentieth, but 200 where that is no more than three tenths of the run. The
/// second moments that Adam divides by are worth little before that, and weights that were good lose by its first
/// steps.
int64_t default_warmup(int64_t total);

}  // namespace edgesmith::train

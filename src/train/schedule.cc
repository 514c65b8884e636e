// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace edgesmith::train {
namespace {

double constant(double) { return 1; }

// Loshchilov and Hutter, "SGDR", 2017, without restarts.
double cosine(double share) { return 0.5 * (1 + std::cos(std::numbers::pi * share)); }

double step(double share) { return share < 0.5 ? 1 : share < 0.75 ? 0.1 : 0.01; }

constexpr ScheduleInfo kSchedules[] = {
    {"cosine", "from the rate to zero along half a cosine", cosine},
    {"step", "a tenth of the rate after a half of the steps, a hundredth after three quarters", step},
    {"constant", "the rate as it is", constant},
};

}  // namespace

std::span<const ScheduleInfo> all_schedules() { return kSchedules; }

const ScheduleInfo* find_schedule(std::string_view name) {
  for (const ScheduleInfo& schedule : kSchedules) {
    if (schedule.name == name) return &schedule;
  }
  return nullptr;
}

double rate_factor(const ScheduleInfo& schedule, int64_t step, int64_t total, int64_t warmup) {
  if (step < warmup) return static_cast<double>(step + 1) / static_cast<double>(warmup);
  return schedule.factor(static_cast<double>(step - warmup) /
                         static_cast<double>(std::max<int64_t>(1, total - warmup)));
}

int64_t default_warmup(int64_t total) { return std::max(total / 20, std::min<int64_t>(200, total * 3 / 10)); }

}  // namespace edgesmith::train

// SPDX-License-Identifier: Apache-2.0
#include "runtime/arena.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace edgesmith::runtime {

namespace {

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Places buffers in the given order, each at the lowest offset that is free for its whole life.
ArenaPlan place(std::span<const Buffer> buffers, std::span<const size_t> order, int64_t alignment) {
  ArenaPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  std::vector<size_t> placed;  // ascending in offset
  for (const size_t i : order) {
    const Buffer& buffer = buffers[i];
    if (buffer.bytes == 0) continue;
    const int64_t size = round_up(buffer.bytes, alignment);
    int64_t offset = 0;
    for (const size_t j : placed) {
      const Buffer& other = buffers[j];
      if (other.last < buffer.first || other.first > buffer.last) continue;
      if (plan.offsets[j] >= offset + size) break;
      offset = std::max(offset, plan.offsets[j] + round_up(other.bytes, alignment));
    }
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, offset + size);
    const auto position = std::upper_bound(placed.begin(), placed.end(), offset,
                                           [&](int64_t o, size_t j) { return o < plan.offsets[j]; });
    placed.insert(position, i);
  }
  return plan;
}

std::vector<size_t> by_size(std::span<const Buffer> buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  return order;
}

// Steps that need most memory first; within a step the largest buffer first.
std::vector<size_t> by_breadth(std::span<const Buffer> buffers, std::span<const size_t> largest_first) {
  std::map<int, int64_t> change;  // step -> bytes that begin or end there
  for (const Buffer& buffer : buffers) {
    change[buffer.first] += buffer.bytes;
    change[buffer.last + 1] -= buffer.bytes;
  }
  std::vector<std::pair<int64_t, int>> steps;  // bytes alive, step
  int64_t alive = 0;
  for (const auto& [step, bytes] : change) steps.emplace_back(alive += bytes, step);
  std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<size_t> order;
  std::vector<size_t> waiting(largest_first.begin(), largest_first.end());
  for (const auto& [bytes, step] : steps) {
    std::vector<size_t> later;
    for (const size_t i : waiting) {
      const bool here = buffers[i].first <= step && step <= buffers[i].last;
      (here ? order : later).push_back(i);
    }
    waiting = std::move(later);
  }
  return order;
}

}  // namespace

ArenaPlan plan_arena(std::span<const Buffer> buffers, int64_t alignment) {
  const std::vector<size_t> largest_first = by_size(buffers);
  ArenaPlan size_plan = place(buffers, largest_first, alignment);
  ArenaPlan breadth_plan = place(buffers, by_breadth(buffers, largest_first), alignment);
  return breadth_plan.bytes < size_plan.bytes ? breadth_plan : size_plan;
}

int64_t live_bytes(std::span<const Buffer> buffers) {
  std::map<int, int64_t> change;
  for (const Buffer& buffer : buffers) {
    change[buffer.first] += buffer.bytes;
    change[buffer.last + 1] -= buffer.bytes;
  }
  int64_t alive = 0, most = 0;
  for (const auto& [step, bytes] : change) most = std::max(most, alive += bytes);
  return most;
}

}  // namespace edgesmith::runtime

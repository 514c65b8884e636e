// SPDX-License-Identifier: Apache-2.0
#include "runtime/arena.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace edgesmith::runtime {

namespace {

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

// Buffers by the steps of their lives: a segment tree, so that a life of any length takes O(log steps) entries.
class Lives {
 public:
  explicit Lives(std::span<const Buffer> buffers) : buffers_(buffers) {
    int last = 0;
    for (const Buffer& buffer : buffers) low_ = std::min(low_, buffer.first);
    for (const Buffer& buffer : buffers) last = std::max(last, buffer.last);
    while (leaves_ < static_cast<size_t>(last - low_) + 1) leaves_ *= 2;
    alive_.resize(2 * leaves_);
    begins_.resize(leaves_);
  }

  void add(size_t i) {
    const size_t first = at(buffers_[i].first);
    begins_[first].push_back(i);
    size_t left = first + leaves_, right = at(buffers_[i].last) + leaves_ + 1;
    for (; left < right; left /= 2, right /= 2) {
      if (left % 2 == 1) alive_[left++].push_back(i);
      if (right % 2 == 1) alive_[--right].push_back(i);
    }
  }
  // Those that are alive together with `buffer`, each once, in no order.
  std::vector<size_t> with(const Buffer& buffer) const {
    std::vector<size_t> found;
    for (size_t node = at(buffer.first) + leaves_; node > 0; node /= 2) {
      found.insert(found.end(), alive_[node].begin(), alive_[node].end());
    }
    for (int step = buffer.first + 1; step <= buffer.last; ++step) {
      found.insert(found.end(), begins_[at(step)].begin(), begins_[at(step)].end());
    }
    return found;
  }
  // Those that are alive at `step` and were not taken yet; some that were may be among them.
  std::vector<size_t> take(int step) {
    std::vector<size_t> found;
    for (size_t node = at(step) + leaves_; node > 0; node /= 2) {
      found.insert(found.end(), alive_[node].begin(), alive_[node].end());
      alive_[node].clear();
    }
    return found;
  }

 private:
  size_t at(int step) const { return static_cast<size_t>(step - low_); }

  std::span<const Buffer> buffers_;
  int low_ = 0;
  size_t leaves_ = 1;
  std::vector<std::vector<size_t>> alive_;   // by node of the tree: buffers that are alive in all its steps
  std::vector<std::vector<size_t>> begins_;  // by step
};

// Buffers that lie end to end from offset 0 on and are all alive in the steps [first, last]: what lives in one of these
// steps, too, lies behind them. Many readers of one value make thousands of such buffers, and this saves comparing each
// with all.
struct Pile {
  int64_t end = 0;
  int first = 0, last = 0;

  bool meets(const Buffer& buffer) const { return end > 0 && buffer.first <= last && first <= buffer.last; }
  void add(const Buffer& buffer, int64_t offset, int64_t size) {
    if (offset != end || (end > 0 && !meets(buffer))) return;
    first = end > 0 ? std::max(first, buffer.first) : buffer.first;
    last = end > 0 ? std::min(last, buffer.last) : buffer.last;
    end += size;
  }
};

// Places buffers in the given order, each at the lowest offset that is free for its whole life.
ArenaPlan place(std::span<const Buffer> buffers, std::span<const size_t> order, int64_t alignment) {
  ArenaPlan plan;
  plan.offsets.assign(buffers.size(), 0);
  const auto lower = [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; };
  Lives lives(buffers);
  std::vector<size_t> placed, fresh;  // all, ascending in offset; and those that are to join them
  Pile pile;
  const auto put = [&](size_t i, int64_t offset, int64_t size) {
    plan.offsets[i] = offset;
    plan.bytes = std::max(plan.bytes, offset + size);
    pile.add(buffers[i], offset, size);
    fresh.push_back(i);
    lives.add(i);
  };
  for (const size_t i : order) {
    const Buffer& buffer = buffers[i];
    if (buffer.bytes == 0 || buffer.last < buffer.first) continue;
    const int64_t size = round_up(buffer.bytes, alignment);
    if (pile.meets(buffer) && pile.end == plan.bytes) {  // nothing lies behind the pile
      put(i, pile.end, size);
      continue;
    }
    std::vector<size_t> together = lives.with(buffer);
    // Many of them: then all are at hand in order, and need not be sorted again.
    const bool many = together.size() > 64 && together.size() > (placed.size() + fresh.size()) / 16;
    if (many) {
      std::sort(fresh.begin(), fresh.end(), lower);
      const auto middle = placed.insert(placed.end(), fresh.begin(), fresh.end());
      std::inplace_merge(placed.begin(), middle, placed.end(), lower);
      fresh.clear();
    } else {
      std::sort(together.begin(), together.end(), lower);
    }
    int64_t offset = 0;
    for (const size_t j : many ? placed : together) {
      const Buffer& other = buffers[j];
      if (other.last < buffer.first || other.first > buffer.last) continue;
      if (plan.offsets[j] >= offset + size) break;
      offset = std::max(offset, plan.offsets[j] + round_up(other.bytes, alignment));
    }
    put(i, offset, size);
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
  std::vector<size_t> rank(buffers.size());
  for (size_t r = 0; r < largest_first.size(); ++r) rank[largest_first[r]] = r;
  Lives lives(buffers);
  for (const size_t i : largest_first) {
    if (buffers[i].first <= buffers[i].last) lives.add(i);
  }
  std::vector<size_t> order;
  std::vector<bool> taken(buffers.size(), false);
  for (const auto& [bytes, step] : steps) {
    if (bytes == 0) continue;  // the end of the last one
    std::vector<size_t> here = lives.take(step);
    std::sort(here.begin(), here.end(), [&](size_t a, size_t b) { return rank[a] < rank[b]; });
    for (const size_t i : here) {
      if (!taken[i]) order.push_back(i);
      taken[i] = true;
    }
  }
  return order;
}

}  // namespace

ArenaPlan plan_arena(std::span<const Buffer> buffers, int64_t alignment) {
  const std::vector<size_t> largest_first = by_size(buffers);
  ArenaPlan size_plan = place(buffers, largest_first, alignment);
  std::vector<Buffer> rounded(buffers.begin(), buffers.end());
  for (Buffer& buffer : rounded) buffer.bytes = round_up(buffer.bytes, alignment);
  if (size_plan.bytes == live_bytes(rounded)) return size_plan;  // no plan takes less
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

// SPDX-License-Identifier: Apache-2.0
// Codes the elements of a tensor one after the other.
//
//   zero?   size, counted down from the largest of the tensor   sign   three digits with a probability   the rest plain
//
// (Of types of up to eight bits every digit has a probability.) Whether it is zero, and its size, are predicted from
// four views of what came before: the two elements before; the same place in the kernel before (of the next input
// channel) and in the row before (of the next output channel); the running mean; and how large the neighbours in the
// kernel let expect it to be, which also predicts the sign, the surer the larger both are:
//
//   corner  above        expected = 2 left + 2 above - corner
//   left    this one
//
// Kernels are smooth: of 3x3 ones this tells 0.2 bits of each 4-bit code. What is learnt goes on from tensor to tensor.
#pragma once

#include <memory>
#include <vector>

#include "pack/elements.h"
#include "pack/mixing.h"

namespace edgesmith::pack {

/// What a tensor's elements are coded with.
struct NumberParams {
  Splitter splitter;
  bool has_zeros = true;                 ///< a zero flag is coded for every element
  int top = 0;                           ///< the largest size
  int trailing = 0;                      ///< digits at the end that are zero in every element (floats)
  size_t kernel = 1, row = 1, line = 1;  ///< elements of a kernel, of a row, of a line of a kernel
};

class NumberModel {
 public:
  static constexpr int kSteps = 24;  ///< sizes counted down one by one; what is left after them is plain

  NumberModel() : state_(std::make_unique<State>()) {}

  /// Codes `count` elements from or to `elements` (one 64-bit word each). False when a decoder met nonsense.
  template <typename Coder, typename Load, typename Store>
  bool code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store);

 private:
  static constexpr int kInputs = 4, kNodes = 32, kViews = 32, kCloseness = 16, kRate = 2;
  static constexpr uint32_t kLimit = 255, kDigitLimit = 255;
  struct State {
    Counter counters[kInputs][kViews][kNodes];
    Counter signs[kCloseness][2 * kViews];
    Counter digits[1024];
    Mixer<kInputs, kNodes> mixer{20000};
  };

  /// What a level and sign stand for, as a number.
  static int reading(int past) { return ((past & 1) - (past >> 1 & 1)) * ((2 + (past >> 2 & 1)) << (past >> 3)); }

  template <typename Coder>
  int mixed(Coder& coder, int bit, int node, const int* views);
  template <typename Coder>
  int single(Coder& coder, int bit, Counter& counter);

  std::unique_ptr<State> state_;
};

template <typename Coder>
int NumberModel::mixed(Coder& coder, int bit, int node, const int* views) {
  Counter* counters[kInputs];
  int inputs[kInputs];
  for (int i = 0; i < kInputs; ++i) {
    counters[i] = &state_->counters[i][views[i]][node];
    inputs[i] = believed(*counters[i]);
  }
  const uint32_t p = state_->mixer.mix(inputs, node);
  bit = coder.bit(bit, p);
  state_->mixer.update(bit, kRate);
  for (Counter* counter : counters) counter->update(bit, kLimit);
  return bit;
}

template <typename Coder>
int NumberModel::single(Coder& coder, int bit, Counter& counter) {
  bit = coder.bit(bit, std::clamp<uint32_t>(counter.state >> 16, 32, 65535 - 32));
  counter.update(bit, kDigitLimit);
  return bit;
}

template <typename Coder, typename Load, typename Store>
bool NumberModel::code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store) {
  const Splitter& splitter = params.splitter;
  const size_t kernel = params.kernel, row = params.row, line = params.line;
  const bool all_digits = !splitter.type.floating() && splitter.type.width <= 8;
  // Per element: its level (0 for zero, larger for larger), and its sign in the lowest two bits (0 zero, 1 plus, 2
  // minus).
  std::vector<uint8_t> past(std::min(count, std::max({row, kernel, line + 1, size_t{2}})));
  const size_t held = past.size();
  size_t now = 0;  // index of the next element in `past`
  const auto back = [&](size_t index, size_t distance) -> int {
    if (distance > index || distance > held) return 0;
    return past[now >= distance ? now - distance : now + held - distance];
  };
  int running = 0;
  size_t place = 0, column = 0;  // in the kernel, in its line
  for (size_t i = 0; i < count; ++i) {
    const Number in = Coder::kEncodes ? splitter.split(load(i)) : Number{};
    const int b1 = back(i, 1), b2 = back(i, 2), k1 = back(i, kernel), r1 = back(i, row);
    // Neighbours in the kernel: there are none at its edges.
    const bool inside = column > 0, below = place >= line;
    const int expected = (inside ? 2 * reading(b1) : 0) + (below ? 2 * reading(back(i, line)) : 0) -
                         (inside && below ? reading(back(i, line + 1)) : 0);
    const int magnitude = std::bit_width(static_cast<uint32_t>(expected < 0 ? -expected : expected));
    if (++place == kernel) place = 0;
    if (++column == line || place == 0) column = 0;
    const int views[kInputs] = {(2 * (b1 >> 2) + (b2 >> 2) + 1) / 3, ((k1 >> 2) + (r1 >> 2) + 1) / 2, running >> 7,
                                magnitude};

    Number out;
    out.zero = false;
    if (params.has_zeros) out.zero = mixed(coder, in.zero ? 1 : 0, 0, views) != 0;
    int level = 0;
    if (!out.zero) {
      const int down = params.top - in.size;
      int d = 0;
      while (d < kSteps && mixed(coder, d < down ? 1 : 0, 1 + d, views) != 0) ++d;
      if (d == kSteps) d += static_cast<int>(coder.plain(static_cast<uint32_t>(down - kSteps), 11));
      if (d > params.top) return false;
      out.size = params.top - d;
      const int capped = d < 23 ? d : 23;
      Counter* signs = state_->signs[d < kCloseness ? d : kCloseness - 1];
      out.negative = single(coder, in.negative ? 1 : 0, signs[kViews + (expected < 0 ? -magnitude : magnitude)]) != 0;
      out.num_digits = splitter.type.floating() ? splitter.type.mantissa() : out.size;
      int left = out.num_digits;
      const int with_counter = all_digits ? left : left < 3 ? left : 3;
      for (int j = 0; j < with_counter; ++j, --left) {
        // The place in the binary tree of what can follow: the digits known so far, behind a one.
        const uint32_t known = static_cast<uint32_t>(out.digits) | 1u << j;
        const size_t place = all_digits ? (out.negative ? 256 : 0) + ((known << left | 1u << (left - 1)) & 255)
                                        : 512 + static_cast<size_t>(capped) * 8 + known;
        const int digit = static_cast<int>(in.digits >> (left - 1) & 1);
        out.digits = out.digits << 1 | static_cast<uint64_t>(single(coder, digit, state_->digits[place]));
      }
      const int first = with_counter > 0 ? static_cast<int>(out.digits >> (with_counter - 1) & 1) : 0;
      if (left > 0) {
        const int plain = left > params.trailing ? left - params.trailing : 0;
        const int rest = left - plain;
        if (plain > 32) {
          const uint64_t high = coder.plain(static_cast<uint32_t>(in.digits >> (rest + 32)), plain - 32);
          out.digits = out.digits << (plain - 32) | high;
        }
        if (plain > 0) {
          const int low = plain < 32 ? plain : 32;
          const uint64_t mask = (uint64_t{1} << low) - 1;
          out.digits = out.digits << low | coder.plain(static_cast<uint32_t>(in.digits >> rest & mask), low);
        }
        out.digits <<= rest;
      }
      const int octaves = 15 - (d < 15 ? d : 14);
      level = 2 * octaves + first;
    }
    past[now] = static_cast<uint8_t>(level << 2 | (out.zero ? 0 : out.negative ? 2 : 1));
    if (++now == held) now = 0;
    running += (level * 128 - running) >> 4;
    if constexpr (!Coder::kEncodes) {
      if ((i & 4095) == 0 && coder.failed()) return false;
    }
    store(i, splitter.join(out));
  }
  return !coder.failed();
}

}  // namespace edgesmith::pack

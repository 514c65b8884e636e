// SPDX-License-Identifier: Apache-2.0
// Codes the elements of a tensor one after the other.
//
//   zero?   size, counted from the usual one of the tensor   sign   digits   what is left, plain
//
// What comes is predicted from what came before, read as numbers of which 256 to 511 have the largest size of the
// tensor: from what the neighbours in the kernel let expect,
//
//   corner  above        expected = (2 left + 2 above - corner) / 4
//   left    this one
//
// how large the kernel was so far, how large the same one was in the two rows before (of the output channels before),
// the last elements and many of them, and the place in the kernel. Kernels are smooth, and input channels differ: of
// 3x3 kernels this tells 0.25 bits of each 4-bit code. What is learnt goes on from tensor to tensor.
//
// Of types of up to eight bits all that is said of an element has a probability; of wider ones sign and digits are
// nearly noise, and cost time: a counter predicts the first, the last ones are plain.
#pragma once

#include <cstdlib>
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
  int usual = 0;                         ///< sizes are counted from the one so far below the largest
  int trailing = 0;                      ///< digits at the end that are zero in every element (floats)
  size_t kernel = 1, row = 1, line = 1;  ///< elements of a kernel, of a row, of a line of a kernel
};

class NumberModel {
 public:
  static constexpr int kSteps = 24;  ///< sizes counted one by one; what is left after them is plain

  NumberModel() : state_(std::make_unique<State>()) {}

  /// Codes `count` elements from or to `elements` (one 64-bit word each). False when a decoder met nonsense.
  template <typename Coder, typename Load, typename Store>
  bool code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store);

 private:
  static constexpr int kInputs = 4, kClasses = 28, kOctaves = 7, kRate = 4;
  // Zero, the first step, 16 further ones, signs by size, digits by size, whether as expected, and the digits before.
  static constexpr int kStep = 2, kSigns = 18, kDigits = 22, kNodes = 48;
  static constexpr int kMixedDigits = 2, kSingleDigits = 1;
  static constexpr uint32_t kLimit = 255;
  struct State {
    Counter counters[kInputs][kClasses * kOctaves][kNodes];
    Counter signs[32][kClasses];
    Counter digits[256 + 32];  ///< by the digits before; of wide types by size
    Mixer<kInputs, kNodes> mixer{25000};
  };

  /// 0 to 3 by themselves, then four classes an octave.
  static int class_of(int size) {
    const int width = std::bit_width(static_cast<uint32_t>(size));
    return width < 3 ? size : std::min(kClasses - 1, 4 * (width - 2) + (size >> (width - 3) & 3));
  }
  static int octave_of(int size) { return class_of(size) / 4; }

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
  bit = coder.bit(bit, counter.state >> 16 | 1);
  counter.update(bit, kLimit);
  return bit;
}

template <typename Coder, typename Load, typename Store>
bool NumberModel::code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store) {
  const Splitter& splitter = params.splitter;
  const size_t kernel = params.kernel, row = params.row, line = params.line;
  const bool narrow = !splitter.type.floating() && splitter.type.width <= 8;
  // Signed readings.
  std::vector<int16_t> past(std::min(count, std::max({2 * row, line + 1, size_t{2}})));
  const size_t held = past.size();
  size_t now = 0;  // index of the next element in `past`
  const auto back = [&](size_t index, size_t distance) -> int {
    if (distance > index || distance > held) return 0;
    return past[now >= distance ? now - distance : now + held - distance];
  };
  int last = 0, many = 0;        // means of the readings' magnitudes, times 16 and 128
  uint32_t own = 0, above = 0;   // of this kernel so far, their sum; of the same one in the two rows before, their mean
  size_t place = 0, column = 0;  // in the kernel, in its line
  for (size_t i = 0; i < count; ++i) {
    const Number in = Coder::kEncodes ? splitter.split(load(i)) : Number{};
    if (place == 0) {
      own = above = 0;
      for (size_t k = 0; k < kernel; ++k) {
        above += static_cast<uint32_t>(std::abs(back(i, row - k)) + std::abs(back(i, 2 * row - k)));
      }
      above /= static_cast<uint32_t>(2 * kernel);
    }
    // Neighbours in the kernel: there are none at its edges.
    const bool inside = column > 0, below = place >= line;
    const int expected =
        (inside ? 2 * back(i, 1) : 0) + (below ? 2 * back(i, line) : 0) - (inside && below ? back(i, line + 1) : 0);
    const int size_expected = class_of(std::abs(expected) >> 4), octave_expected = size_expected / 4;
    const uint32_t size_here = (own + 2 * above) / static_cast<uint32_t>(place + 2);
    const int views[kInputs] = {
        size_expected * kOctaves + octave_of(static_cast<int>(size_here)),
        class_of(static_cast<int>(above >> 2)) * kOctaves + octave_of(last >> 4),
        class_of(many >> 8) * kOctaves + octave_expected,
        static_cast<int>(std::min<size_t>(place, kClasses - 1)) * kOctaves + octave_expected,
    };
    if (++place == kernel) place = 0;
    if (++column == line || place == 0) column = 0;

    Number out;
    out.zero = false;
    if (params.has_zeros) out.zero = mixed(coder, in.zero ? 1 : 0, 0, views) != 0;
    int reading = 0;
    if (!out.zero) {
      const int down = params.top - in.size;
      int d = params.usual;
      if (mixed(coder, d < down ? 1 : 0, 1, views) != 0) {
        ++d;
        while (d < kSteps && mixed(coder, d < down ? 1 : 0, kStep + (d & 15), views) != 0) ++d;
      } else {
        while (d > 0 && mixed(coder, d > down ? 1 : 0, kStep + ((d - 1) & 15), views) != 0) --d;
      }
      if (d == kSteps) d += static_cast<int>(coder.plain(static_cast<uint32_t>(down - kSteps), 11));
      if (d > params.top) return false;
      out.size = params.top - d;
      const int capped = d & 31, three = std::min(d, 3);
      const bool minus = expected < 0;
      const int other = in.negative != minus ? 1 : 0;  // not the sign that is expected
      const bool turned = (narrow ? mixed(coder, other, kSigns + three, views)
                                  : single(coder, other, state_->signs[capped][size_expected])) != 0;
      out.negative = turned != minus;
      out.num_digits = splitter.type.floating() ? splitter.type.mantissa() : out.size;
      int left = out.num_digits;
      const int with_counter = narrow ? left : std::min(left, kSingleDigits);
      for (int j = 0; j < with_counter; ++j, --left) {
        // The place in the binary tree of what can follow: the digits known so far, behind a one.
        const uint32_t known = static_cast<uint32_t>(out.digits) | 1u << j;
        const int digit = static_cast<int>(in.digits >> (left - 1) & 1);
        int coded = 0;
        if (narrow && j < kMixedDigits) {
          coded = mixed(coder, digit, kDigits + 3 * three + (turned ? 12 : 0) + static_cast<int>(known) - 1, views);
        } else {
          const size_t at = narrow ? (known << left | 1u << (left - 1)) & 255 : 256 + static_cast<size_t>(capped);
          coded = single(coder, digit, state_->digits[at]);
        }
        out.digits = out.digits << 1 | static_cast<uint64_t>(coded);
      }
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
      const int place = out.num_digits + (splitter.type.floating() ? 0 : d);
      const auto ratio = static_cast<int>((out.digits | uint64_t{1} << out.num_digits) << 8 >> place);
      reading = splitter.type.floating() ? ratio >> std::min(d, 9) : ratio;
    }
    own += static_cast<uint32_t>(reading);
    last += (reading * 16 - last) >> 4;
    many += (reading * 128 - many) >> 7;
    past[now] = static_cast<int16_t>(out.negative ? -reading : reading);
    if (++now == held) now = 0;
    if constexpr (!Coder::kEncodes) {
      if ((i & 4095) == 0 && coder.failed()) return false;
    }
    store(i, splitter.join(out));
  }
  return !coder.failed();
}

}  // namespace edgesmith::pack

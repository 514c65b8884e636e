// SPDX-License-Identifier: Apache-2.0
// Codes the elements of a tensor one after the other.
//
//   zero?   size, counted from the usual one of the tensor   sign   digits   what is left, plain
//
// What comes is predicted from what came before, read as numbers of which 256 to 511 have the largest size of the
// tensor: from what the neighbours in the kernel let expect,
//
//   corner  above        expected = (2 left + 2 above + w corner) / 4
//   left    this one
//
// how large the kernel was so far and should be by its channels (channel_means.h), the last elements, and the place in
// the kernel. Kernels are smooth, w then is about -1, but coarse codes do not continue slopes: w follows the sign of
// what was wrong (Widrow and Hoff's least mean squares, 1960). What is learnt goes on from tensor to tensor.
//
// Of types of up to eight bits all that is said of an element has a probability; of wider ones sign and digits are
// nearly noise, and cost time: a counter predicts the first, the last ones are plain.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "edgesmith/base/progress.h"
#include "pack/channel_means.h"
#include "pack/elements.h"
#include "pack/mix_four.h"

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

  /// Codes `count` elements from or to `elements` (one 64-bit word each). False when a decoder met nonsense, or the
  /// user asked to stop.
  template <typename Coder, typename Load, typename Store>
  bool code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store);

 private:
  static constexpr int kInputs = 4, kClasses = 28, kOctaves = 7;
  // Zero, the first step, 16 further ones, signs by size, digits by size, whether as expected, and the digits before.
  static constexpr int kStep = 2, kSigns = 18, kDigits = 22, kNodes = 48;
  static constexpr int kMixedDigits = 2, kSingleDigits = 1;
  static constexpr uint32_t kLimit = 255;
  static constexpr int kMostCorner = 512;
  struct State {
    Counter counters[kInputs][kClasses * kOctaves][kNodes];
    Counter signs[32][kClasses];
    Counter digits[256 + 32];  ///< by the digits before; of wide types by size
    FourWeights weights[kNodes];
    int corner = -256;  ///< its weight, of 256
  };

  using Rows = std::array<Counter*, kInputs>;  ///< of each view the counters of all nodes

  /// 0 to 3 by themselves, then four classes an octave; of sizes below 512.
  static constexpr std::array<uint8_t, 512> kClassOf = [] {
    std::array<uint8_t, 512> classes{};
    for (uint32_t size = 0; size < 512; ++size) {
      const uint32_t width = static_cast<uint32_t>(std::bit_width(size));
      const uint32_t one = width < 3 ? size : 4 * (width - 2) + (size >> (width - 3) & 3);
      classes[size] = static_cast<uint8_t>(std::min<uint32_t>(kClasses - 1, one));
    }
    return classes;
  }();
  static int class_of(uint32_t size) { return kClassOf[std::min<uint32_t>(size, 511)]; }
  static int octave_of(uint32_t size) { return class_of(size) / 4; }

  template <typename Coder>
  [[gnu::always_inline]] int mixed(Coder& coder, int bit, int node, const Rows& rows);
  template <typename Coder>
  [[gnu::always_inline]] int single(Coder& coder, int bit, Counter& counter);
  template <typename Coder, typename Load, typename Store>
  [[gnu::always_inline]] bool code_all(Coder& coder, const NumberParams& params, size_t count, Load&& load,
                                       Store&& store);

  std::unique_ptr<State> state_;
};

/// The last readings of a tensor, signed. Of kernels whose lines are longer than they reach, something else is read.
class Readings {
 public:
  /// `distance` elements before the next one, which are there.
  int back(size_t distance) const { return values_[(next_ - distance) % kCount]; }
  void add(int reading) { values_[next_++ % kCount] = reading; }

 private:
  static constexpr size_t kCount = 64;
  std::array<int, kCount> values_{};
  size_t next_ = 0;
};

template <typename Coder>
inline int NumberModel::mixed(Coder& coder, int bit, int node, const Rows& rows) {
  FourWeights& weights = state_->weights[node];
  // All that is read is read before something is written: the compiler cannot know that they are different.
  uint32_t states[kInputs];
  for (size_t i = 0; i < kInputs; ++i) states[i] = rows[i][node].state;
  const Four four(states, weights);
  bit = coder.bit(bit, static_cast<uint32_t>(four.p()) * 16);
  four.learn(weights, bit);
  for (size_t i = 0; i < kInputs; ++i) {
    Counter counter{states[i]};
    counter.update(bit, kLimit);
    rows[i][node] = counter;
  }
  return bit;
}

template <typename Coder>
inline int NumberModel::single(Coder& coder, int bit, Counter& counter) {
  bit = coder.surprise(bit, counter.state >> 16 | 1);
  counter.update(bit, kLimit);
  return bit;
}

template <typename Coder, typename Load, typename Store>
bool NumberModel::code(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store) {
  Coder own = std::move(coder);  // that nobody else knows: it stays in registers
  const bool good = code_all(own, params, count, load, store);
  coder = std::move(own);
  return good;
}

template <typename Coder, typename Load, typename Store>
inline bool NumberModel::code_all(Coder& coder, const NumberParams& params, size_t count, Load&& load, Store&& store) {
  const Splitter splitter = params.splitter;
  const size_t kernel = params.kernel, row = params.row, line = params.line;
  const bool narrow = !splitter.type.floating() && splitter.type.width <= 8;
  Readings readings;
  ChannelMeans means(row / kernel);
  int last = 0;                  // mean of the readings' magnitudes, times 16
  uint32_t own = 0;              // of this kernel so far, their sum
  uint32_t by_channels = 0;      // what is expected of this kernel, times 16
  size_t place = 0, column = 0;  // in the kernel, in its line
  for (size_t i = 0; i < count; ++i) {
    const Number in = Coder::kEncodes ? splitter.split(load(i)) : Number{};
    if (place == 0) {
      if (i > 0) means.add(16 * own / static_cast<uint32_t>(kernel));
      own = 0;
      by_channels = means.expected();
    }
    // Neighbours in the kernel: there are none at its edges.
    const bool inside = column > 0;
    int expected = inside ? 2 * readings.back(1) : 0, corner = 0;
    if (place >= line) {
      expected += 2 * readings.back(line);
      if (inside) corner = readings.back(line + 1);
    }
    expected += state_->corner * corner >> 8;
    const int size_expected = class_of(static_cast<uint32_t>(std::abs(expected)) >> 4);
    const int octave_expected = size_expected / 4;
    const uint32_t size_here = (16 * own + 2 * by_channels) / static_cast<uint32_t>(place + 2);
    const int octave_last = octave_of(static_cast<uint32_t>(last) >> 4);
    const int views[kInputs] = {
        size_expected * kOctaves + octave_of(by_channels >> 4),
        class_of(by_channels >> 5) * kOctaves + octave_expected,
        class_of(size_here >> 5) * kOctaves + octave_last,
        static_cast<int>(std::min<size_t>(place, kClasses - 1)) * kOctaves + octave_expected,
    };
    Rows rows;
    for (size_t k = 0; k < kInputs; ++k) rows[k] = state_->counters[k][views[k]];
    if (++place == kernel) place = 0;
    if (++column == line || place == 0) column = 0;

    Number out;
    out.zero = false;
    if (params.has_zeros) out.zero = mixed(coder, in.zero ? 1 : 0, 0, rows) != 0;
    int reading = 0;
    if (!out.zero) {
      const int down = params.top - in.size;
      int d = params.usual;
      if (mixed(coder, d < down ? 1 : 0, 1, rows) != 0) {
        ++d;
        while (d < kSteps && mixed(coder, d < down ? 1 : 0, kStep + (d & 15), rows) != 0) ++d;
      } else {
        while (d > 0 && mixed(coder, d > down ? 1 : 0, kStep + ((d - 1) & 15), rows) != 0) --d;
      }
      if (d == kSteps) d += static_cast<int>(coder.plain(static_cast<uint32_t>(down - kSteps), 11));
      if (d > params.top) return false;
      out.size = params.top - d;
      const int capped = d & 31, three = std::min(d, 3);
      const bool minus = expected < 0;
      const int other = in.negative != minus ? 1 : 0;  // not the sign that is expected
      const bool turned = (narrow ? mixed(coder, other, kSigns + three, rows)
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
          coded = mixed(coder, digit, kDigits + 3 * three + (turned ? 12 : 0) + static_cast<int>(known) - 1, rows);
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
    const int signed_reading = out.negative ? -reading : reading;
    if (corner != 0 && reading != 0) {
      const int moved = state_->corner + ((4 * signed_reading < expected) == (corner < 0) ? 1 : -1);
      if (std::abs(moved) < kMostCorner) state_->corner = moved;
    }
    readings.add(signed_reading);
    if ((i & 4095) == 0) {
      if (interrupted()) return false;
      if constexpr (!Coder::kEncodes) {
        if (coder.failed()) return false;
      }
    }
    store(i, splitter.join(out));
  }
  return !coder.failed();
}

}  // namespace edgesmith::pack

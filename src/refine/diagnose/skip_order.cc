// SPDX-License-Identifier: Apache-2.0
#include "refine/diagnose/skip_order.h"

#include <algorithm>

namespace edgesmith::refine::diagnose {
namespace {

class Order {
 public:
  Order(const Units& units, const Facts& facts, const std::vector<double>& alone)
      : units_(units),
        own_(alone.size(), 0.0),
        codes_(alone.size(), 0.0),
        makers_(alone.size()),
        is_float_(alone.size(), false) {
    for (size_t u = 0; u < alone.size(); ++u) {
      const Unit& unit = units.list[u];
      for (const size_t reader : unit.readers) makers_[reader].push_back(u);
      const ValueFacts& first = facts.values[at(unit.node().output().id())];
      const ValueFacts& last = facts.values[at(unit.result().id())];
      const double constants = first.twinned && first.twin_signal > 0 ? first.twin_noise / first.twin_signal : 0;
      const double rounding = last.signal > 0 ? last.rounding / last.signal : 0;
      const double share = constants + rounding > 0 ? constants / (constants + rounding) : unit.own_constants ? 1 : 0;
      own_[u] = alone[u] * share;
      codes_[u] = alone[u] * (1 - share);
    }
  }

  std::vector<Move> run() {
    std::vector<Move> moves;
    while (true) {
      Move best;
      double best_gain = 0;
      for (size_t u = 0; u < own_.size(); ++u) {
        for (const Move& move : {left({u}), left(around(u))}) {
          if (move.empty()) continue;
          const double gain = freed(move) / static_cast<double>(move.size());
          if (gain > best_gain) best_gain = gain, best = move;
        }
      }
      if (best.empty()) break;
      for (const size_t u : best) is_float_[u] = true;
      moves.push_back(std::move(best));
    }
    // Those that are expected to cost nothing come last: the estimate may be wrong.
    for (size_t u = 0; u < own_.size(); ++u) {
      if (may_move(u) && !is_float_[u]) moves.push_back({u});
    }
    return moves;
  }

 private:
  bool may_move(size_t u) const { return units_.list[u].differs && units_.list[u].fits; }

  /// The maker of a value and its readers; nothing where they cannot all be left float.
  Move around(size_t u) const {
    const Unit& unit = units_.list[u];
    if (codes_[u] <= 0 || !unit.free_readers) return {};
    Move move = {u};
    move.insert(move.end(), unit.readers.begin(), unit.readers.end());
    return move;
  }

  /// Those of `move` that are not float yet, each once.
  Move left(Move move) const {
    std::sort(move.begin(), move.end());
    move.erase(std::unique(move.begin(), move.end()), move.end());
    std::erase_if(move, [&](size_t u) { return is_float_[u] || !may_move(u); });
    return move;
  }

  double freed(const Move& move) const {
    const auto is_float = [&](size_t u) {
      return is_float_[u] || !may_move(u) || std::find(move.begin(), move.end(), u) != move.end();
    };
    double sum = 0;
    Move touched = move;  // whose results may need no codes any more
    for (const size_t u : move) {
      sum += own_[u];
      touched.insert(touched.end(), makers_[u].begin(), makers_[u].end());
    }
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    for (const size_t u : touched) {
      const Unit& unit = units_.list[u];
      if (codes_[u] <= 0 || !unit.free_readers || !is_float(u)) continue;
      if (std::all_of(unit.readers.begin(), unit.readers.end(), is_float)) sum += codes_[u];
    }
    return sum;
  }

  const Units& units_;
  std::vector<double> own_, codes_;  // by unit: what its constants cost, and the codes of its result
  std::vector<Move> makers_;         // by unit: those whose results it reads
  std::vector<bool> is_float_;
};

}  // namespace

std::vector<Move> skip_order(const Units& units, const Facts& facts, const std::vector<double>& alone) {
  return Order(units, facts, alone).run();
}

}  // namespace edgesmith::refine::diagnose

// SPDX-License-Identifier: Apache-2.0
// The one list of a profile's keys: it parses profiles and makes the documentation.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edgesmith/targets/target.h"

namespace edgesmith::targets {

/// What a key holds.
enum class KeyKind {
  text,
  flag,
  integer,
  number,
  word,       ///< one of KeyRow::words
  frequency,  ///< "120 MHz", in Hz
  bytes,      ///< "640 KiB"
  byte_list,  ///< ["32 KiB", "1 MiB"]
  bandwidth,  ///< "4.5 GB/s", in bytes a second
  power,      ///< "42 mW", in W
  time,       ///< "3 us", in s
  range,      ///< [least, largest], whole numbers
  code,       ///< [scale, zero point]
  operators   ///< ["Conv", "Add"]
};

/// A value of any kind; the member that fits the kind is set.
struct KeyValue {
  std::string text;
  bool flag = false;
  double number = 0;
  std::vector<double> numbers;
  std::vector<ir::OpKind> operators;
};

/// One key of a profile.
struct KeyRow {
  std::string_view table, key;  ///< "device.macs_per_cycle", "i8"; table "" is the top
  KeyKind kind;
  bool required;
  std::string_view help;
  void (*set)(Target& target, const KeyValue& value);
  double min = 0, max = 0;  ///< of every number, in the unit of the kind
  std::vector<std::string_view> words = {};
};

std::span<const KeyRow> all_keys();

/// A unit and what it is in the unit of the kind.
using Unit = std::pair<std::string_view, double>;
/// The units of a kind that has units, else none.
std::span<const Unit> units_of(KeyKind kind);

}  // namespace edgesmith::targets

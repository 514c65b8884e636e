// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "edgesmith/ir/tensor.h"

namespace edgesmith::ir {

using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;
using Strings = std::vector<std::string>;

/// The value of an attribute.
using Attribute = std::variant<int64_t, float, std::string, Ints, Floats, Strings, Tensor>;

/// The attributes of a node: a small map, kept in order of name so that printing is deterministic.
class Attributes {
 public:
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The attribute, or null.
  const Attribute* find(std::string_view name) const;
  void set(std::string_view name, Attribute value);
  void erase(std::string_view name);

  /// The value when present with that kind, else `fallback`. The op's verify has checked the kinds.
  int64_t get_int(std::string_view name, int64_t fallback) const;
  float get_float(std::string_view name, float fallback) const;
  std::string get_string(std::string_view name, std::string_view fallback) const;
  Ints get_ints(std::string_view name, const Ints& fallback = {}) const;
  Floats get_floats(std::string_view name, const Floats& fallback = {}) const;

  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool same_as(const Attributes& other) const;

 private:
  std::vector<std::pair<std::string, Attribute>> entries_;
};

}  // namespace edgesmith::ir

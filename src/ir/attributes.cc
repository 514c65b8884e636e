// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/ir/attributes.h"

#include <algorithm>

namespace edgesmith::ir {
namespace {

template <typename T>
T get_or(const Attribute* attribute, const T& fallback) {
  const T* value = attribute != nullptr ? std::get_if<T>(attribute) : nullptr;
  return value != nullptr ? *value : fallback;
}

bool same_attribute(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  if (const Tensor* tensor = std::get_if<Tensor>(&a)) return tensor->identical_to(std::get<Tensor>(b));
  if (const auto* v = std::get_if<int64_t>(&a)) return *v == std::get<int64_t>(b);
  if (const auto* v = std::get_if<float>(&a)) return *v == std::get<float>(b);
  if (const auto* v = std::get_if<std::string>(&a)) return *v == std::get<std::string>(b);
  if (const auto* v = std::get_if<Ints>(&a)) return *v == std::get<Ints>(b);
  if (const auto* v = std::get_if<Floats>(&a)) return *v == std::get<Floats>(b);
  return std::get<Strings>(a) == std::get<Strings>(b);
}

}  // namespace

const Attribute* Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : entries_) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Attributes::set(std::string_view name, Attribute value) {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const auto& entry, std::string_view key) { return entry.first < key; });
  if (at != entries_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    entries_.emplace(at, std::string(name), std::move(value));
  }
}

void Attributes::erase(std::string_view name) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.first == name; });
}

int64_t Attributes::get_int(std::string_view name, int64_t fallback) const { return get_or(find(name), fallback); }
float Attributes::get_float(std::string_view name, float fallback) const { return get_or(find(name), fallback); }
std::string Attributes::get_string(std::string_view name, std::string_view fallback) const {
  return get_or(find(name), std::string(fallback));
}
Ints Attributes::get_ints(std::string_view name, const Ints& fallback) const { return get_or(find(name), fallback); }
Floats Attributes::get_floats(std::string_view name, const Floats& fallback) const {
  return get_or(find(name), fallback);
}

bool Attributes::same_as(const Attributes& other) const {
  return std::equal(begin(), end(), other.begin(), other.end(), [](const auto& a, const auto& b) {
    return a.first == b.first && same_attribute(a.second, b.second);
  });
}

}  // namespace edgesmith::ir

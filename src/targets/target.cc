// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/targets/target.h"

#include <algorithm>

#include "edgesmith/base/check.h"
#include "edgesmith/base/file.h"
#include "edgesmith/base/text.h"
#include "edgesmith/targets/target_names.h"
#include "targets/embedded_profiles.h"

namespace edgesmith::targets {
namespace {

bool holds(const std::vector<ir::OpKind>& ops, ir::OpKind op) {
  return std::find(ops.begin(), ops.end(), op) != ops.end();
}

Target parse_embedded(const EmbeddedProfile& profile) {
  auto target = parse_profile(profile.text, std::string(profile.name) + ".toml");
  EDGESMITH_CHECK(target.ok()) << target.error().text();
  EDGESMITH_CHECK(target->name == profile.name) << target->name << " in " << profile.name << ".toml";
  return std::move(*target);
}

std::vector<Target> parse_all() {
  std::vector<Target> targets;
  for (const EmbeddedProfile& profile : embedded_profiles()) targets.push_back(parse_embedded(profile));
  return targets;
}

}  // namespace

bool Target::runs_integer(ir::OpKind op) const { return holds(integer_ops, op); }

bool Target::passes_codes(ir::OpKind op) const { return holds(passing_ops, op); }

bool Target::has_op(ir::OpKind op) const {
  return limits.only_ops.empty() ? !holds(limits.unsupported_ops, op) : holds(limits.only_ops, op);
}

const FixedOutput* Target::fixed_output(ir::OpKind op) const {
  for (const FixedOutput& fixed : fixed_outputs) {
    if (fixed.op == op) return &fixed;
  }
  return nullptr;
}

std::span<const Target> all_targets() {
  static const std::vector<Target> targets = parse_all();
  return targets;
}

std::vector<std::string> target_names() {
  std::vector<std::string> names;
  for (const EmbeddedProfile& profile : embedded_profiles()) names.emplace_back(profile.name);
  return names;
}

const Target* find_target(std::string_view name) {
  for (const Target& target : all_targets()) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

bool is_profile_path(std::string_view name) { return name.ends_with(".toml"); }

Result<Target> load_target(const std::string& name_or_path) {
  if (is_profile_path(name_or_path)) {
    auto text = read_file(name_or_path);
    if (!text) return text.error();
    return parse_profile(*text, name_or_path);
  }
  for (const EmbeddedProfile& profile : embedded_profiles()) {  // the others are not read
    if (profile.name == name_or_path) return parse_embedded(profile);
  }
  const std::vector<std::string> names = target_names();
  std::vector<std::string> kin;  // "ort" and "cmsis" are nearer to their own than to any word of that length
  std::copy_if(names.begin(), names.end(), std::back_inserter(kin), [&](const std::string& name) {
    return name_or_path.size() > 2 && name.find(name_or_path) != name.npos;
  });
  const std::string near = kin.empty() ? nearest(name_or_path, names) : join(kin, "' or '");
  return usage_error("unknown target '" + name_or_path + "'",
                     near.empty() ? "known: " + join(names, ", ") + ", or a profile's path that ends in .toml"
                                  : "did you mean '" + near + "'?");
}

}  // namespace edgesmith::targets

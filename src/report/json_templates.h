// SPDX-License-Identifier: Apache-2.0
// nlohmann's classes, compiled once (json_templates.cc) instead of in every source that writes JSON, which takes a
// second each. Part of the precompiled headers; no source needs to include it.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

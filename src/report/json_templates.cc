// SPDX-License-Identifier: Apache-2.0
#include "report/json_templates.h"

template class nlohmann::basic_json<>;
template class nlohmann::basic_json<nlohmann::ordered_map>;

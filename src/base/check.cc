// SPDX-License-Identifier: Apache-2.0
#include "edgesmith/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace edgesmith::detail {

CheckFailure::CheckFailure(const char* file, int line, const char* condition) {
  stream_ << file << ":" << line << ": check failed: " << condition << " ";
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "edgesmith: internal error: %s; please report this with the command line and the model\n",
               stream_.str().c_str());
  std::fflush(nullptr);
#ifdef EDGESMITH_FUZZ
  std::abort();  // libFuzzer keeps the input then
#endif
  std::_Exit(70);  // not abort(): the documented exit code of a bug of ours
}

}  // namespace edgesmith::detail

// SPDX-License-Identifier: Apache-2.0
// A source for the target that precompiles the headers of the tests (tests/CMakeLists.txt).

# cmake -DOUTPUT=embedded_profiles.cc -DPROFILES="a.toml|b.toml" -P embed_profiles.cmake
# Writes the texts of the profiles as C++ raw strings, so that the program needs no files at run time.
string(REPLACE "|" ";" PROFILES "${PROFILES}")
set(rows "")
foreach(profile IN LISTS PROFILES)
  get_filename_component(name "${profile}" NAME_WE)
  file(READ "${profile}" text)
  string(APPEND rows "    {\"${name}\", R\"profile(${text})profile\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made by src/targets/embed_profiles.cmake.
#include \"targets/embedded_profiles.h\"

namespace edgesmith::targets {
namespace {

constexpr EmbeddedProfile kProfiles[] = {
${rows}};

}  // namespace

std::span<const EmbeddedProfile> embedded_profiles() { return kProfiles; }

}  // namespace edgesmith::targets
")

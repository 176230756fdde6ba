/*
 * Every library of the stand-in driver but libcuda: a real shared object with the right SONAME, so that ldconfig makes
 * libX.so.N point at libX.so.<version>, and nothing in it. The version is patched in per driver (see libraries.ts).
 */
const char lab_driver_version[32] = "@DRIVER_VERSION@";

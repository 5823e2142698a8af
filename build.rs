//! Tells cargo that the binary depends on the GraphiQL page in `web/dist`, which npm builds and git ignores.

fn main() {
    // Cargo cannot watch a folder that is not there: it would rebuild each time. An empty one means "no page yet".
    // A source tree that cannot be written to has whatever it has.
    let _ = std::fs::create_dir_all("web/dist");
    println!("cargo::rerun-if-changed=web/dist");
    println!("cargo::rerun-if-changed=build.rs");
}

use heirloom::{domain::record::Record, service::*, store::*};
use std::time::*;
#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap();
    let batch: usize = args.next().unwrap().parse().unwrap();
    let store = Store::connect(&Options {
        url,
        max_connections: 4,
        timeout: Duration::from_secs(30),
    })
    .await
    .unwrap();
    store.migrate().await.unwrap();
    println!("{:?}", store.schema_state().await.unwrap());
    let writer = Writer::start(store.clone(), WriterOptions::default());
    let records: Vec<Record> = std::io::stdin()
        .lines()
        .map(|l| serde_json::from_str(&l.unwrap()).unwrap())
        .collect();
    for _ in 0..2 {
        let t = Instant::now();
        let (mut a, mut u, mut r) = (0, 0, 0);
        for chunk in records.chunks(batch) {
            let answer = writer.submit(chunk.to_vec(), Mode::Ingest).await.unwrap();
            for v in answer.verdicts {
                match v {
                    Verdict::Applied(_) => a += 1,
                    Verdict::Unchanged(_) => u += 1,
                    Verdict::Rejected(x) => {
                        r += 1;
                        if r < 5 {
                            println!("{x:?}")
                        }
                    }
                }
            }
        }
        println!(
            "applied {a} unchanged {u} rejected {r} in {:?}: {:.0}/s; {:?}",
            t.elapsed(),
            records.len() as f64 / t.elapsed().as_secs_f64(),
            heirloom::store::scope::revision_newest(&store.session()).await.unwrap()
        );
    }
}

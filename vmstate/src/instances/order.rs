//! The order in which instances are restored: each after all it depends on.
//!
//! Among instances that are free to go, the one added first goes first, so the order is a function of
//! the list alone.

use std::collections::BTreeMap;

use super::InstanceProblem;

/// Indices into `items` (path, paths it depends on) such that each stands behind its dependencies.
///
/// # Errors
/// Every dependency that names no instance; or one cycle, spelled out.
pub(super) fn restore_order(
    items: &[(&str, &[String])],
) -> Result<Vec<usize>, Vec<InstanceProblem>> {
    let index: BTreeMap<&str, usize> =
        items.iter().enumerate().map(|(i, (path, _))| (*path, i)).collect();
    let mut problems = Vec::new();
    let mut depends = Vec::with_capacity(items.len());
    for (path, on) in items {
        let mut indices = Vec::new();
        for name in *on {
            match index.get(name.as_str()) {
                Some(i) => indices.push(*i),
                None => problems.push(InstanceProblem::UnknownDependency {
                    path: (*path).to_owned(),
                    dependency: name.clone(),
                }),
            }
        }
        depends.push(indices);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut done = vec![false; items.len()];
    let mut order = Vec::with_capacity(items.len());
    while order.len() < items.len() {
        let before = order.len();
        for i in 0..items.len() {
            if !done[i] && depends[i].iter().all(|on| done[*on]) {
                done[i] = true;
                order.push(i);
            }
        }
        if order.len() == before {
            let paths = cycle(&depends, &done).iter().map(|i| items[*i].0.to_owned()).collect();
            return Err(vec![InstanceProblem::Cycle { paths }]);
        }
    }
    Ok(order)
}

/// A cycle among the instances that are not done; its first is repeated at the end.
fn cycle(depends: &[Vec<usize>], done: &[bool]) -> Vec<usize> {
    let mut walk: Vec<usize> = Vec::new();
    let mut at = done.iter().position(|done| !done);
    while let Some(here) = at {
        if let Some(start) = walk.iter().position(|seen| *seen == here) {
            walk.push(here);
            return walk.split_off(start);
        }
        walk.push(here);
        // Whoever is not done waits for someone who is not done either.
        at = depends[here].iter().copied().find(|on| !done[*on]);
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::{InstanceProblem, restore_order};

    fn order(items: &[(&str, &[&str])]) -> Result<Vec<String>, String> {
        let owned: Vec<(&str, Vec<String>)> = items
            .iter()
            .map(|(path, on)| (*path, on.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        let borrowed: Vec<(&str, &[String])> =
            owned.iter().map(|(path, on)| (*path, on.as_slice())).collect();
        restore_order(&borrowed)
            .map(|order| order.into_iter().map(|i| items[i].0.to_owned()).collect())
            .map_err(|problems: Vec<InstanceProblem>| {
                problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            })
    }

    #[test]
    fn without_dependencies_the_list_order_holds() {
        assert_eq!(order(&[("b", &[]), ("a", &[])]).unwrap(), ["b", "a"]);
    }

    #[test]
    fn each_instance_comes_after_all_it_depends_on() {
        let items: &[(&str, &[&str])] =
            &[("uart0", &["plic"]), ("plic", &["cpu0", "cpu1"]), ("cpu0", &[]), ("cpu1", &[])];
        assert_eq!(order(items).unwrap(), ["cpu0", "cpu1", "plic", "uart0"]);
    }

    #[test]
    fn a_cycle_is_printed_without_those_that_merely_wait_for_it() {
        let items: &[(&str, &[&str])] =
            &[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])];
        assert_eq!(
            order(items).unwrap_err(),
            "restore order: the dependencies form a cycle: a -> b -> c -> a"
        );
    }

    #[test]
    fn every_unknown_dependency_is_named() {
        let items: &[(&str, &[&str])] = &[("a", &["x", "y"])];
        assert_eq!(
            order(items).unwrap_err(),
            "`a` depends on `x`, which is no instance; `a` depends on `y`, which is no instance"
        );
    }
}

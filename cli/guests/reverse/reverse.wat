;; reverse: a component of the world fog:task/single (verifier/wit/task.wit), by hand.
;;
;; execute gives the input's bytes in reverse order; it fails on an empty input.
(component
  (core module $m
    (memory (export "memory") 1)
    ;; Where the next allocation goes.
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 16) "nothing to reverse")
    (func (export "cabi_realloc")
      (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32) (local $end i32)
      (local.set $at (global.get $free))
      (local.set $end (i32.add (local.get $at) (local.get $size)))
      (if (i32.lt_u (local.get $end) (local.get $at)) (then unreachable))
      (block $enough
        (br_if $enough
          (i32.le_u (local.get $end) (i32.shl (memory.size) (i32.const 16))))
        (br_if $enough
          (i32.ne (i32.const -1)
            (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
        unreachable)
      (global.set $free (local.get $end))
      (local.get $at))
    ;; Gives the address of {tag, pointer, length}.
    (func (export "execute") (param $at i32) (param $length i32) (result i32)
      (local $left i32) (local $right i32) (local $byte i32)
      (if (i32.eqz (local.get $length))
        (then
          (i32.store (i32.const 0) (i32.const 1))
          (i32.store (i32.const 4) (i32.const 16))
          (i32.store (i32.const 8) (i32.const 18))
          (return (i32.const 0))))
      (local.set $left (local.get $at))
      (local.set $right (i32.sub (i32.add (local.get $at) (local.get $length)) (i32.const 1)))
      (block $done
        (loop $swap
          (br_if $done (i32.ge_u (local.get $left) (local.get $right)))
          (local.set $byte (i32.load8_u (local.get $left)))
          (i32.store8 (local.get $left) (i32.load8_u (local.get $right)))
          (i32.store8 (local.get $right) (local.get $byte))
          (local.set $left (i32.add (local.get $left) (i32.const 1)))
          (local.set $right (i32.sub (local.get $right) (i32.const 1)))
          (br $swap)))
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 4) (local.get $at))
      (i32.store (i32.const 8) (local.get $length))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "cabi_realloc" (core func $realloc))
  (alias core export $i "execute" (core func $execute))
  (type $bytes (list u8))
  (type $result (result $bytes (error string)))
  (func (export "execute") (param "input" $bytes) (result $result)
    (canon lift (core func $execute) (memory $memory) (realloc $realloc))))

pragma circom 2.0.0;
template Bound() {
    signal input binding;
    signal input square;
    signal input x;
    signal binding_squared;
    binding_squared <== binding * binding;
    x * x === square;
}
component main {public [binding, square]} = Bound();

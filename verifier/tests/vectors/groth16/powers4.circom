pragma circom 2.0.0;
template Powers(n) {
    signal input p[n];
    signal input x;
    p[0] === x * x;
    for (var i = 1; i < n; i++) { p[i] === p[i - 1] * x; }
}
component main {public [p]} = Powers(4);

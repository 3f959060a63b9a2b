mkdir a; ls -ld a | cut -c 1-10
mkdir a b; ls
mkdir a/b
mkdir -p a/b/c; ls a/b
mkdir -p a a; echo $?
mkdir a; mkdir a
mkdir
mkdir --nothing
touch f; mkdir -p f
touch f; mkdir f/a
rmdir none
mkdir a; rmdir a; ls
mkdir -p a/b; rmdir a
touch f; rmdir f
rmdir
touch f; rm f; ls
rm none
rm -f none
rm -f
rm
mkdir d; rm d
mkdir d; rm -d d; ls
mkdir -p d/e; touch d/f; rm -r d; ls
mkdir -p d/e; rm -rf d none; ls
rm --nothing
touch f; ln -s f l; rm l; ls
mkdir d; ln -s d l; rm -r l; ls
touch a; mv a b; ls
echo a > a; echo b > b; mv a b; cat b
echo a > a; echo b > b; mv -n a b; cat a b
mkdir d; touch a; mv a d; ls d
touch a b; mkdir d; mv a b d; ls d
touch a b c; mv a b c
mv none b
mv a
mv
touch a; mv a none/b
echo a > a; mv a a; cat a
echo a > a; ln a b; mv a b; ls
mkdir d; mv d d
mkdir d e; mv d e; ls e
touch f; mkdir d; mv d f
echo a > a; ln a b; echo c > b; cat a
echo a > a; ln -s a b; cat b
echo a > a; ln a
echo B > B; ln -sf B B; cat B
echo B > B; ln -f B B; cat B
echo B > B; ln -sf ./B B; cat B
echo B > B; ln -sf "$PWD/B" B; cat B
echo B > B; ln -s B l; ln -sf l B; cat B
echo B > B; ln B C; ln -f B C; cat C
ln -s none l; ls
ln none l
echo a > a; echo b > b; ln a b
echo a > a; echo b > b; ln -f a b; cat b
echo a > a; mkdir d; ln a d; ls d
mkdir d; ln d e
mkdir d; echo x > x; ln -s d l; ln -sfn x l; cat l
mkdir d; echo x > x; ln -s d l; ln -sf x l; ls d
ln
echo a > a; cp a b; cat b
cp none b
echo a > a; cp a
cp
echo a > a; cp a a; cat a
echo a > a; ln -s a l; cp a l; cat a
echo a > a; ln a b; cp a b; cat a
echo a > a; echo b > b; cp -f a b; cat b
mkdir d; cp d e
mkdir d; echo a > d/a; cp -r d e; cat e/a
echo a > a; ln -s a l; cp l m; ls -l m | cut -c 1
mkdir d; ln -s x d/l; cp -r d e; ls -l e | tail -n 1 | cut -c 1
mkdir d; cp -r d d/e
echo a > a; echo b > b; mkdir d; cp a b d; ls d
echo a > a; cp a none/b
touch f; cp -r f g; ls
touch -c none; ls
touch
touch --nothing f
touch none/f
echo a | tee f; cat f
echo a | tee f g > h; cat f g h
echo a > f; echo b | tee -a f; cat f
echo a | tee none/f
echo a | tee
echo a | tee --nothing
